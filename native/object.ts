import { addon, type NativeDescription, type NativeObject } from "./addon.ts";
import { Btf, parseBtf } from "./btf.ts";
import { ArgumentError, check } from "./errors.ts";
import { encodeGlobal, findGlobal, type GlobalValue } from "./global.ts";
import { failed, LoadedObject } from "./loaded.ts";
import { BpfMap } from "./map.ts";
import { type AttachType, attachTypeNumber } from "./names.ts";
import { type MapSpec, mapSpec, type ProgramSpec, programSpec } from "./spec.ts";

/** A BPF object that is open and not yet loaded: what it declares, and what to change about that. */
export class BpfObject {
  readonly name: string;
  /** As the object declares them; data sections under the section's name: ".rodata". */
  readonly maps: ReadonlyMap<string, MapSpec>;
  readonly programs: ReadonlyMap<string, ProgramSpec>;
  /** With sizes and offsets of data sections filled in. Empty for an object without BTF. */
  readonly btf: Btf;
  readonly #native: NativeObject;

  /** See `openObject`. */
  constructor(name: string, native: NativeObject) {
    this.name = name;
    this.#native = native;
    const { maps, programs, btf } = check<NativeDescription>(
      "object.open",
      name,
      addon.objectDescribe(native),
    );
    this.maps = new Map(maps.map(mapSpec).map((spec) => [spec.name, spec]));
    this.programs = new Map(programs.map(programSpec).map((spec) => [spec.name, spec]));
    this.btf = btf === undefined ? new Btf([{ kind: "void" }]) : parseBtf(btf);
  }

  setMaxEntries(map: string, maxEntries: number): void {
    const { index } = this.#map(map);
    this.#check("setMaxEntries", map, addon.objectSetMaxEntries(this.#native, index, maxEntries));
  }

  /** Not to make a map that no loaded program uses. */
  setAutocreate(map: string, autocreate: boolean): void {
    const { index } = this.#map(map);
    this.#check("setAutocreate", map, addon.objectSetAutocreate(this.#native, index, autocreate));
  }

  /**
   * Takes a map that exists, from a pin for instance, instead of making one. Type, key size, value
   * size and flags must agree; the number of entries may differ.
   */
  reuseMap(name: string, map: BpfMap): void {
    const declared = this.#map(name);
    if (!(map instanceof BpfMap)) throw new ArgumentError("that is no BpfMap");
    checkCompatible(declared, map);
    this.#check("reuseMap", name, addon.objectReuseMap(this.#native, declared.index, map.handle));
  }

  /** The pattern of a map of maps, where the object does not declare it. */
  setInnerMap(name: string, inner: BpfMap): void {
    const declared = this.#map(name);
    if (!(inner instanceof BpfMap)) throw new ArgumentError("that is no BpfMap");
    const result = addon.objectSetInnerMap(this.#native, declared.index, inner.handle);
    this.#check("setInnerMap", name, result);
  }

  /**
   * The value with which a global variable starts: `const volatile` ones keep it, and the verifier
   * prunes by it. Numbers must fit the variable's type; bytes must have its size.
   */
  setGlobal(name: string, value: GlobalValue): void {
    const { section, offset, size, type } = findGlobal(this.btf, name);
    const bytes = encodeGlobal(name, type, size, value);
    const { index } = this.#map(section);
    const initial = addon.objectInitialValue(this.#native, index);
    const image = this.#check("setGlobal", name, initial) as Uint8Array;
    if (offset + size > image.byteLength)
      throw new ArgumentError(`${name} lies outside ${section}`);
    image.set(bytes, offset);
    const result = addon.objectSetInitialValue(this.#native, index, image);
    this.#check("setGlobal", name, result);
  }

  setAutoload(program: string, autoload: boolean): void {
    this.#program(program);
    const result = addon.objectSetAutoload(this.#native, program, autoload);
    this.#check("setAutoload", program, result);
  }

  /** For a section name that leaves it open. */
  setExpectedAttachType(program: string, attachType: AttachType): void {
    this.#program(program);
    const type = attachTypeNumber(attachType);
    const result = addon.objectSetAttachType(this.#native, program, type);
    this.#check("setExpectedAttachType", program, result);
  }

  /**
   * Makes the maps and loads the programs; this object is closed then, whatever comes of it.
   * @throws {VerifierError} with the log of the program that was refused.
   */
  load(): LoadedObject {
    const loaded = addon.objectLoad(this.#native);
    if ("error" in loaded) throw failed("object.load", this.name, loaded);
    return new LoadedObject(this.name, [...this.maps.keys()], loaded);
  }

  /** Idempotent. */
  close(): void {
    addon.objectClose(this.#native);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #map(name: string): MapSpec {
    const spec = this.maps.get(name);
    if (spec === undefined) throw new ArgumentError(`${this.name} has no map ${String(name)}`);
    return spec;
  }

  #program(name: string): void {
    if (!this.programs.has(name)) {
      throw new ArgumentError(`${this.name} has no program ${String(name)}`);
    }
  }

  #check<T>(operation: string, target: string, result: T | number): T {
    return check(`object.${operation}`, target, result);
  }
}

function checkCompatible(declared: MapSpec, { info }: BpfMap): void {
  for (const property of ["type", "keySize", "valueSize", "flags"] as const) {
    if (declared[property] === info[property]) continue;
    throw new ArgumentError(
      `${declared.name} is declared with ${property} ${declared[property]}, the map at hand has ${info[property]}`,
    );
  }
}
