import type { NativeFailure, NativeLoaded } from "./addon.ts";
import { ArgumentError, BpfError, check, VerifierError } from "./errors.ts";
import { BpfMap } from "./map.ts";
import { BpfProgram } from "./program.ts";

/** A descriptor of nothing: EBADF. */
const NOT_MADE = -9;

/** The maps and programs of an object in the kernel. Closing it closes them. */
export class LoadedObject {
  readonly name: string;
  readonly maps: ReadonlyMap<string, BpfMap>;
  readonly programs: ReadonlyMap<string, BpfProgram>;

  /** See `BpfObject.load`. `mapNames` in the order in which the object declares them. */
  constructor(name: string, mapNames: readonly string[], loaded: NativeLoaded) {
    this.name = name;
    const made = mapNames.flatMap((map, i) => {
      const handle = loaded.maps[i] ?? NOT_MADE;
      return handle === NOT_MADE ? [] : [[map, check("object.load", map, handle)] as const];
    });
    this.maps = new Map(made.map(([map, handle]) => [map, new BpfMap(handle, map)]));
    this.programs = new Map(
      Object.entries(loaded.programs).map(([program, handle]) => [
        program,
        new BpfProgram(check("object.load", program, handle), program),
      ]),
    );
  }

  map(name: string): BpfMap {
    const map = this.maps.get(name);
    if (map === undefined) throw new ArgumentError(`${this.name} has no map ${String(name)}`);
    return map;
  }

  /** @throws {ArgumentError} also for a program that was not loaded (`setAutoload`). */
  program(name: string): BpfProgram {
    const program = this.programs.get(name);
    if (program === undefined) {
      throw new ArgumentError(`${this.name} has no loaded program ${String(name)}`);
    }
    return program;
  }

  /** Idempotent. Links, pins and mappings stay. */
  close(): void {
    for (const map of this.maps.values()) map.close();
    for (const program of this.programs.values()) program.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** What libbpf or the verifier had against an object. */
export function failed(operation: string, target: string, failure: NativeFailure): BpfError {
  const { error, messages, program, verifierLog } = failure;
  if (program !== undefined && verifierLog !== undefined) {
    return new VerifierError(program, -error, verifierLog);
  }
  const said = messages.trim().replaceAll(/\n+/g, "; ");
  const reason = said === "" ? undefined : said;
  return new BpfError({ operation, target, errno: -error, reason });
}
