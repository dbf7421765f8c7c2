import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const testDirectory = fileURLToPath(new URL("..", import.meta.url));
export const objectPath = (name: string): string => `${testDirectory}build/${name}.bpf.o`;
/** Not a Buffer, whose slices share memory. */
export const objectBytes = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(objectPath(name)));
