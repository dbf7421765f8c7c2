import type { Btf } from "./btf/btf.ts";
import type { BtfType } from "./btf/type.ts";
import { ArgumentError } from "./errors.ts";

/** How a value lies in memory. */
export interface Codec<T> {
  /** In bytes, of every value. */
  readonly size: number;
  /** Fills `into`, which has `size` bytes, all of them. */
  encode(value: T, into: Uint8Array): void;
  decode(from: Uint8Array): T;
}

/**
 * A codec of plain values for a BTF type, in little-endian order: integers and enums are
 * numbers (8 bytes wide: bigints), _Bool a boolean, char[] a Uint8Array, other arrays arrays,
 * structs objects by member name (those of an anonymous member inline). Fields typed __be16 or
 * __be32 are numbers in that order too: swap them yourself.
 * @throws {ArgumentError} for a union, a bit-field, a pointer: give those as bytes.
 */
export function codecFromBtf(btf: Btf, typeId: number): Codec<unknown> {
  const type = btf.resolve(typeId);
  const size = btf.sizeOf(typeId);
  switch (type.kind) {
    case "int":
      return type.bool ? BOOLEAN : integerCodec(size, type.signed);
    case "enum":
    case "enum64":
      return integerCodec(size, type.signed);
    case "array":
      return isChar(btf.resolve(type.elementType))
        ? bytesCodec(size)
        : arrayCodec(codecFromBtf(btf, type.elementType), type.count);
    case "struct":
      return structCodec(btf, type.members, size);
    default:
      throw new ArgumentError(`no codec for a ${type.kind}`);
  }
}

const isChar = (type: BtfType): boolean => type.kind === "int" && type.size === 1 && !type.bool;

const BOOLEAN: Codec<unknown> = {
  size: 1,
  encode: (value, into) => into.fill(value === true ? 1 : 0),
  decode: (from) => from[0] !== 0,
};

function integerCodec(size: number, signed: boolean): Codec<unknown> {
  const bits = size * 8;
  const fit = (value: bigint) =>
    signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
  return {
    size,
    encode(value, into) {
      const integer = toBigInt(value);
      if (fit(integer) !== integer) throw new ArgumentError(`${value} does not fit ${bits} bits`);
      for (let i = 0; i < size; i++) into[i] = Number((integer >> BigInt(8 * i)) & 0xffn);
    },
    decode(from) {
      const integer = fit(from.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n));
      return size < 8 ? Number(integer) : integer;
    },
  };
}

function toBigInt(value: unknown): bigint {
  if (typeof value === "bigint") return value;
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  throw new ArgumentError(`${String(value)} is no integer`);
}

function bytesCodec(size: number): Codec<unknown> {
  return {
    size,
    encode(value, into) {
      if (!(value instanceof Uint8Array) || value.byteLength > size) {
        throw new ArgumentError(`${String(value)} is no Uint8Array of at most ${size} bytes`);
      }
      into.fill(0);
      into.set(value);
    },
    decode: (from) => Uint8Array.from(from),
  };
}

function arrayCodec(element: Codec<unknown>, count: number): Codec<unknown> {
  const part = (bytes: Uint8Array, i: number) =>
    bytes.subarray(i * element.size, (i + 1) * element.size);
  return {
    size: element.size * count,
    encode(value, into) {
      if (!Array.isArray(value) || value.length !== count) {
        throw new ArgumentError(`${String(value)} is no array of ${count}`);
      }
      for (const [i, item] of value.entries()) element.encode(item, part(into, i));
    },
    decode: (from) => Array.from({ length: count }, (_, i) => element.decode(part(from, i))),
  };
}

interface Field {
  readonly name: string;
  readonly offset: number;
  readonly codec: Codec<unknown>;
}

function structCodec(
  btf: Btf,
  members: (BtfType & { kind: "struct" })["members"],
  size: number,
): Codec<unknown> {
  const fields = members.map(({ name, type, bitOffset, bitSize }): Field => {
    if (bitSize !== 0 || bitOffset % 8 !== 0) throw new ArgumentError(`${name} is a bit-field`);
    return { name, offset: bitOffset / 8, codec: codecFromBtf(btf, type) };
  });
  const part = (bytes: Uint8Array, { offset, codec }: Field) =>
    bytes.subarray(offset, offset + codec.size);
  return {
    size,
    encode(value, into) {
      if (typeof value !== "object" || value === null) {
        throw new ArgumentError(`${String(value)} is no object`);
      }
      into.fill(0);
      for (const field of fields) {
        const own = field.name === "" ? value : (value as Record<string, unknown>)[field.name];
        field.codec.encode(own, part(into, field));
      }
    },
    decode(from) {
      const value: Record<string, unknown> = {};
      for (const field of fields) {
        const own = field.codec.decode(part(from, field));
        if (field.name === "") Object.assign(value, own);
        else value[field.name] = own;
      }
      return value;
    },
  };
}

/** Bytes of a value in a buffer of its own. */
export function encoded<T>(codec: Codec<T>, value: T): Uint8Array {
  const bytes = new Uint8Array(codec.size);
  codec.encode(value, bytes);
  return bytes;
}
