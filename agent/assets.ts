import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import manifest from "../package.json" with { type: "json" };

/** The version of sluice. */
export const version: string = manifest.version;

/**
 * The compiled eBPF object of that name, such as "sock": beside the bundle that this file became
 * part of, or where the sources are built.
 *
 * @throws Error that says how to build it
 */
export function bpfObjectPath(name: string): string {
  const file = `${name}.bpf.o`;
  const places = [`./${file}`, `../bpf/build/${file}`].map((place) =>
    fileURLToPath(new URL(place, import.meta.url)),
  );
  const found = places.find((place) => existsSync(place));
  if (found !== undefined) return found;
  throw new Error(`${file} is neither of ${places.join(", ")}; make it by npm run build:bpf`);
}
