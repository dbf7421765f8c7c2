import type { Btf } from "./btf/btf.ts";
import type { BtfType } from "./btf/type.ts";
import { ArgumentError } from "./errors.ts";

/** Numbers for integers, enums and bool; bytes for anything. */
export type GlobalValue = number | bigint | boolean | Uint8Array;

export interface Global {
  readonly section: string;
  readonly offset: number;
  readonly size: number;
  readonly type: BtfType;
}

/** @throws {ArgumentError} where no data section has that variable. */
export function findGlobal(btf: Btf, name: string): Global {
  for (const section of btf.types) {
    if (section.kind !== "datasec") continue;
    for (const { type, offset, size } of section.variables) {
      const variable = btf.type(type);
      if (variable.kind !== "var" || variable.name !== name) continue;
      return { section: section.name, offset, size, type: btf.resolve(variable.type) };
    }
  }
  throw new ArgumentError(`no global variable is called ${String(name)}`);
}

/** Little-endian bytes of the variable. */
export function encodeGlobal(
  name: string,
  type: BtfType,
  size: number,
  value: GlobalValue,
): Uint8Array {
  if (value instanceof Uint8Array) {
    if (value.byteLength === size) return value;
    throw new ArgumentError(`${name} has ${size} bytes, not ${value.byteLength}`);
  }
  if (type.kind !== "int" && type.kind !== "enum" && type.kind !== "enum64") {
    throw new ArgumentError(`${name} is a ${type.kind}: give its bytes`);
  }
  const integer = toInteger(name, value);
  const bits = size * 8;
  const fitted = type.signed ? BigInt.asIntN(bits, integer) : BigInt.asUintN(bits, integer);
  if (fitted !== integer) throw new ArgumentError(`${value} does not fit ${name} (${bits} bits)`);
  return Uint8Array.from({ length: size }, (_, i) => Number((integer >> BigInt(i * 8)) & 0xffn));
}

function toInteger(name: string, value: unknown): bigint {
  if (typeof value === "bigint") return value;
  if (typeof value === "boolean") return value ? 1n : 0n;
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  throw new ArgumentError(`${String(value)} is no value for ${name}`);
}
