import { addon } from "./addon.ts";
import { ArgumentError, BpfError, check } from "./errors.ts";
import { BpfLink } from "./link.ts";

const EINTR = 4;
const EAGAIN = 11;

/** Runs an iterator once from the start and gives all that its program wrote (kernel 5.8). */
export function readIterator(link: BpfLink): Uint8Array {
  if (!(link instanceof BpfLink)) throw new ArgumentError("that is no BpfLink");
  const iterator = check("readIterator", "link", addon.iteratorCreate(link.handle));
  const chunks: Uint8Array[] = [];
  try {
    for (;;) {
      const chunk = new Uint8Array(64 * 1024);
      const size = addon.iteratorRead(iterator, chunk);
      if (size === 0) return Buffer.concat(chunks);
      if (size > 0) chunks.push(chunk.subarray(0, size));
      // EAGAIN: the kernel has walked enough objects without output for one call.
      else if (size !== -EINTR && size !== -EAGAIN) {
        throw new BpfError({ operation: "readIterator", target: "link", errno: -size });
      }
    }
  } finally {
    iterator.close();
  }
}
