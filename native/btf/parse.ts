import { MalformedError } from "../malformed.ts";
import { Btf } from "./btf.ts";
import { ByteReader } from "./reader.ts";
import type { BtfLinkage, BtfType } from "./type.ts";

const MAGIC = 0xeb9f;
const HEADER_SIZE = 24;

/**
 * Reads a `.BTF` section, or what the kernel gives in /sys/kernel/btf/vmlinux.
 * @throws {MalformedError} also for a reference to a type that is not there.
 */
export function parseBtf(bytes: Uint8Array): Btf {
  const header = new ByteReader(bytes);
  if (bytes.byteLength < HEADER_SIZE) throw new MalformedError("BTF", "shorter than its header");
  if (header.u16() !== MAGIC) throw new MalformedError("BTF", "no little-endian BTF magic number");
  if (header.u8() !== 1) throw new MalformedError("BTF", "not version 1");
  header.u8();
  const headerSize = header.u32();
  const typeOffset = headerSize + header.u32();
  const typeSize = header.u32();
  const stringOffset = headerSize + header.u32();
  const stringSize = header.u32();
  if (Math.max(typeOffset + typeSize, stringOffset + stringSize) > bytes.byteLength) {
    throw new MalformedError("BTF", "types or strings lie outside the section");
  }
  const strings = new StringTable(bytes.subarray(stringOffset, stringOffset + stringSize));
  const reader = new ByteReader(bytes.subarray(typeOffset, typeOffset + typeSize));
  const types: BtfType[] = [{ kind: "void" }];
  while (!reader.done) types.push(readType(reader, strings));
  return new Btf(types);
}

class StringTable {
  readonly #bytes: Buffer;
  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  at(offset: number): string {
    const end = this.#bytes.indexOf(0, offset);
    if (offset >= this.#bytes.length || end < 0) {
      throw new MalformedError("BTF", `no string at ${offset}`);
    }
    return this.#bytes.toString("latin1", offset, end);
  }
}

/** The fixed head of every type; `sizeOrType` is a size in bytes or a type id, as the kind has it. */
interface Head {
  readonly name: string;
  readonly length: number;
  readonly flag: boolean;
  readonly sizeOrType: number;
}

function readType(reader: ByteReader, strings: StringTable): BtfType {
  const name = strings.at(reader.u32());
  const info = reader.u32();
  const head: Head = {
    name,
    length: info & 0xffff,
    flag: info >>> 31 === 1,
    sizeOrType: reader.u32(),
  };
  const kind = (info >>> 24) & 0x1f;
  const read = READERS[kind];
  if (read === undefined) throw new MalformedError("BTF", `unknown kind ${kind}`);
  return read(head, reader, strings);
}

type KindReader = (head: Head, reader: ByteReader, strings: StringTable) => BtfType;

/** By the kernel's kind number (enum in linux/btf.h). */
const READERS: readonly (KindReader | undefined)[] = [
  undefined,
  readInt,
  ({ sizeOrType }) => ({ kind: "ptr", type: sizeOrType }),
  readArray,
  (head, reader, strings) => readComposite("struct", head, reader, strings),
  (head, reader, strings) => readComposite("union", head, reader, strings),
  readEnum,
  ({ name, flag }) => ({ kind: "fwd", name, union: flag }),
  ({ name, sizeOrType }) => ({ kind: "typedef", name, type: sizeOrType }),
  ({ sizeOrType }) => ({ kind: "volatile", type: sizeOrType }),
  ({ sizeOrType }) => ({ kind: "const", type: sizeOrType }),
  ({ sizeOrType }) => ({ kind: "restrict", type: sizeOrType }),
  ({ name, length, sizeOrType }) => ({
    kind: "func",
    name,
    type: sizeOrType,
    linkage: linkage(length),
  }),
  readFuncProto,
  ({ name, sizeOrType }, reader) => ({
    kind: "var",
    name,
    type: sizeOrType,
    linkage: linkage(reader.u32()),
  }),
  readDatasec,
  ({ name, sizeOrType }) => ({ kind: "float", name, size: sizeOrType }),
  ({ name, sizeOrType }, reader) => ({
    kind: "decl_tag",
    name,
    type: sizeOrType,
    component: reader.i32(),
  }),
  ({ name, sizeOrType }) => ({ kind: "type_tag", name, type: sizeOrType }),
  readEnum64,
];

function readInt({ name, sizeOrType }: Head, reader: ByteReader): BtfType {
  const word = reader.u32();
  const encoding = (word >>> 24) & 0xf;
  return {
    kind: "int",
    name,
    size: sizeOrType,
    bits: word & 0xff,
    bitOffset: (word >>> 16) & 0xff,
    signed: (encoding & 1) !== 0,
    char: (encoding & 2) !== 0,
    bool: (encoding & 4) !== 0,
  };
}

function readArray(_head: Head, reader: ByteReader): BtfType {
  return {
    kind: "array",
    elementType: reader.u32(),
    indexType: reader.u32(),
    count: reader.u32(),
  };
}

function readComposite(
  kind: "struct" | "union",
  { name, length, flag, sizeOrType }: Head,
  reader: ByteReader,
  strings: StringTable,
): BtfType {
  const members = reader.times(length, () => {
    const memberName = strings.at(reader.u32());
    const type = reader.u32();
    const offset = reader.u32();
    return {
      name: memberName,
      type,
      bitOffset: flag ? offset & 0xffffff : offset,
      bitSize: flag ? offset >>> 24 : 0,
    };
  });
  return { kind, name, size: sizeOrType, members };
}

function readEnum(
  { name, length, flag, sizeOrType }: Head,
  reader: ByteReader,
  strings: StringTable,
): BtfType {
  const values = reader.times(length, () => {
    const valueName = strings.at(reader.u32());
    return { name: valueName, value: BigInt(flag ? reader.i32() : reader.u32()) };
  });
  return { kind: "enum", name, size: sizeOrType, signed: flag, values };
}

function readEnum64(
  { name, length, flag, sizeOrType }: Head,
  reader: ByteReader,
  strings: StringTable,
): BtfType {
  const values = reader.times(length, () => {
    const valueName = strings.at(reader.u32());
    const unsigned = BigInt(reader.u32()) | (BigInt(reader.u32()) << 32n);
    return { name: valueName, value: flag ? BigInt.asIntN(64, unsigned) : unsigned };
  });
  return { kind: "enum64", name, size: sizeOrType, signed: flag, values };
}

function readFuncProto(
  { length, sizeOrType }: Head,
  reader: ByteReader,
  strings: StringTable,
): BtfType {
  const parameters = reader.times(length, () => ({
    name: strings.at(reader.u32()),
    type: reader.u32(),
  }));
  return { kind: "func_proto", returnType: sizeOrType, parameters };
}

function readDatasec({ name, length, sizeOrType }: Head, reader: ByteReader): BtfType {
  const variables = reader.times(length, () => ({
    type: reader.u32(),
    offset: reader.u32(),
    size: reader.u32(),
  }));
  return { kind: "datasec", name, size: sizeOrType, variables };
}

function linkage(value: number): BtfLinkage {
  const name = (["static", "global", "extern"] as const)[value];
  if (name === undefined) throw new MalformedError("BTF", `unknown linkage ${value}`);
  return name;
}
