import { read } from "node:fs";
import { promisify } from "node:util";
import { addon, type Handle } from "./addon.ts";
import { ArgumentError, BpfError, check } from "./errors.ts";
import { BpfLink } from "./link.ts";

const EINTR = 4;
const EAGAIN = 11;
const CHUNK_BYTES = 64 * 1024;

const readOnPool = promisify(read);

/** Runs an iterator once from the start and gives all that its program wrote (kernel 5.8). */
export function readIterator(link: BpfLink): Uint8Array {
  const iterator = start("readIterator", link);
  const chunks: Uint8Array[] = [];
  try {
    for (;;) {
      const chunk = new Uint8Array(CHUNK_BYTES);
      const size = addon.iteratorRead(iterator, chunk);
      if (size === 0) return Buffer.concat(chunks);
      if (size > 0) chunks.push(chunk.subarray(0, size));
      else if (!isToBeContinued(-size)) throw failure("readIterator", -size);
    }
  } finally {
    iterator.close();
  }
}

/**
 * As `readIterator`, on the thread pool: the event loop goes on meanwhile. Each chunk is the output
 * of one read(2), which ends with the object that fills `chunkBytes`: a small one bounds how long the
 * kernel works without a pause. The buffer is used again for the next chunk.
 */
export async function* streamIterator(
  link: BpfLink,
  chunkBytes = CHUNK_BYTES,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (!Number.isInteger(chunkBytes) || chunkBytes < 1) {
    throw new ArgumentError("a chunk has 1 byte or more");
  }
  const iterator = start("streamIterator", link);
  const chunk = new Uint8Array(chunkBytes);
  try {
    for (;;) {
      const size = await readChunk(iterator.fd, chunk);
      if (size === 0) return;
      if (size > 0) yield chunk.subarray(0, size);
    }
  } finally {
    iterator.close();
  }
}

function start(operation: string, link: BpfLink): Handle {
  if (!(link instanceof BpfLink)) throw new ArgumentError("that is no BpfLink");
  return check(operation, "link", addon.iteratorCreate(link.handle));
}

/** Negative: nothing yet. */
async function readChunk(fd: number, chunk: Uint8Array): Promise<number> {
  try {
    return (await readOnPool(fd, chunk, 0, chunk.length, null)).bytesRead;
  } catch (error) {
    const errno = -((error as NodeJS.ErrnoException).errno ?? 0);
    if (isToBeContinued(errno)) return -1;
    throw failure("streamIterator", errno);
  }
}

/** EAGAIN: the kernel has walked enough objects without output for one call. */
const isToBeContinued = (errno: number): boolean => errno === EINTR || errno === EAGAIN;

const failure = (operation: string, errno: number): BpfError =>
  new BpfError({ operation, target: "link", errno });
