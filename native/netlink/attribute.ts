import { ArgumentError } from "../errors.ts";
import { MalformedError } from "../malformed.ts";

/** One attribute as it travels, header and padding included. Make one by the functions below. */
export type EncodedAttribute = Uint8Array;

const HEADER_SIZE = 4;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;

const align = (size: number): number => (size + 3) & ~3;

export function bytesAttribute(type: number, payload: Uint8Array): EncodedAttribute {
  if (!(payload instanceof Uint8Array)) throw new ArgumentError("an attribute holds a Uint8Array");
  if (!Number.isInteger(type) || type < 0 || type > 0xffff) {
    throw new ArgumentError(`${String(type)} is no type of an attribute`);
  }
  const size = HEADER_SIZE + payload.byteLength;
  if (size > 0xffff)
    throw new ArgumentError(`an attribute cannot hold ${payload.byteLength} bytes`);
  const bytes = new Uint8Array(align(size));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, size, true);
  view.setUint16(2, type, true);
  bytes.set(payload, HEADER_SIZE);
  return bytes;
}

export function nestedAttribute(
  type: number,
  attributes: readonly EncodedAttribute[],
): EncodedAttribute {
  return bytesAttribute(type | NLA_F_NESTED, Buffer.concat(attributes));
}

/** With the NUL at the end that the kernel's NLA_NUL_STRING wants. */
export const stringAttribute = (type: number, text: string): EncodedAttribute =>
  bytesAttribute(type, Buffer.from(`${text}\0`));

export const u8Attribute = (type: number, value: number): EncodedAttribute =>
  integerAttribute(type, 1, value, false);
export const u16Attribute = (type: number, value: number): EncodedAttribute =>
  integerAttribute(type, 2, value, true);
export const u32Attribute = (type: number, value: number): EncodedAttribute =>
  integerAttribute(type, 4, value, true);
export const be16Attribute = (type: number, value: number): EncodedAttribute =>
  integerAttribute(type, 2, value, false);
export const be32Attribute = (type: number, value: number): EncodedAttribute =>
  integerAttribute(type, 4, value, false);

export function u64Attribute(type: number, value: bigint): EncodedAttribute {
  if (typeof value !== "bigint" || BigInt.asUintN(64, value) !== value) {
    throw new ArgumentError(`${String(value)} is no u64`);
  }
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytesAttribute(type, bytes);
}

function integerAttribute(
  type: number,
  size: 1 | 2 | 4,
  value: number,
  littleEndian: boolean,
): EncodedAttribute {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** (size * 8)) {
    throw new ArgumentError(`${String(value)} is no unsigned integer of ${size} bytes`);
  }
  const bytes = Buffer.alloc(size);
  if (littleEndian) bytes.writeUIntLE(value, 0, size);
  else bytes.writeUIntBE(value, 0, size);
  return bytesAttribute(type, bytes);
}

/** The attributes of a message or of an attribute that nests others. */
export class Attributes {
  /** In the order in which they came; lists repeat a type. */
  readonly all: readonly { readonly type: number; readonly payload: Uint8Array }[];

  /** @throws {MalformedError} where an attribute ends outside the bytes. */
  constructor(bytes: Uint8Array) {
    const all: { type: number; payload: Uint8Array }[] = [];
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at + HEADER_SIZE <= bytes.byteLength; ) {
      const size = view.getUint16(at, true);
      if (size < HEADER_SIZE || at + size > bytes.byteLength) {
        throw new MalformedError("netlink", `an attribute of ${size} bytes at ${at}`);
      }
      const payload = bytes.subarray(at + HEADER_SIZE, at + size);
      all.push({ type: view.getUint16(at + 2, true) & NLA_TYPE_MASK, payload });
      at += align(size);
    }
    this.all = all;
  }

  bytes(type: number): Uint8Array | undefined {
    return this.all.find((attribute) => attribute.type === type)?.payload;
  }

  nested(type: number): Attributes | undefined {
    const bytes = this.bytes(type);
    return bytes && new Attributes(bytes);
  }

  /** Up to the first NUL. */
  string(type: number): string | undefined {
    const bytes = this.bytes(type);
    return bytes && Buffer.from(bytes).toString().replace(/\0.*$/s, "");
  }

  u8(type: number): number | undefined {
    return this.#view(type, 1)?.getUint8(0);
  }

  u16(type: number): number | undefined {
    return this.#view(type, 2)?.getUint16(0, true);
  }

  u32(type: number): number | undefined {
    return this.#view(type, 4)?.getUint32(0, true);
  }

  u64(type: number): bigint | undefined {
    return this.#view(type, 8)?.getBigUint64(0, true);
  }

  be16(type: number): number | undefined {
    return this.#view(type, 2)?.getUint16(0);
  }

  be32(type: number): number | undefined {
    return this.#view(type, 4)?.getUint32(0);
  }

  #view(type: number, size: number): DataView | undefined {
    const bytes = this.bytes(type);
    if (bytes === undefined) return undefined;
    if (bytes.byteLength !== size) {
      const got = bytes.byteLength;
      throw new MalformedError("netlink", `attribute ${type} has ${got} bytes, not ${size}`);
    }
    return new DataView(bytes.buffer, bytes.byteOffset, size);
  }
}
