import { join } from "node:path";
import { type BpfObject, type LoadedObject, openObject } from "libbpf-ts";

/** Opens one of the objects of the bindings' own tests (native/test/bpf). */
export const open = (name: "everything" | "refused"): BpfObject =>
  openObject(join(import.meta.dirname, `${name}.bpf.o`));

/** An address that the guest has no route to. */
export const VIP = "198.51.100.7";
export const VIP_BYTES = Buffer.from([198, 51, 100, 7]);

/** Loads the programs so that `redirect` sends what asks for the VIP to this port of the loopback. */
export function loadFor(port: number): LoadedObject {
  const object = open("everything");
  object.setGlobal("from_address", VIP_BYTES);
  object.setGlobal("to_port", port);
  return object.load();
}

/** Little-endian u32s, end to end. */
export const u32 = (...numbers: readonly number[]): Uint8Array =>
  new Uint8Array(Uint32Array.from(numbers).buffer);

export const numbers = (bytes: Uint8Array): readonly number[] => [
  ...new Uint32Array(bytes.slice().buffer),
];
