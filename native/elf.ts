import { MalformedError } from "./malformed.ts";

export interface ElfSection {
  readonly name: string;
  readonly type: number;
  /** In the file. */
  readonly offset: number;
  readonly size: number;
  /** A view, not a copy. Empty for a section that the file does not hold (.bss). */
  readonly bytes: Uint8Array;
}

export interface Elf {
  readonly machine: number;
  readonly sections: readonly ElfSection[];
}

const HEADER_SIZE = 64;
const SECTION_HEADER_SIZE = 64;
const SHT_NOBITS = 8;

/**
 * The sections of a little-endian 64-bit ELF file (ELF-64 object file format 1.5), in file order.
 * @throws {MalformedError} for anything else, and for a table or section outside the file.
 */
export function parseElf(file: Uint8Array): Elf {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  checkIdentification(view);
  const headers = sectionHeaders(view);
  const names = headers[view.getUint16(62, true)];
  if (names === undefined) throw new MalformedError("ELF", "no section holds the section names");
  const nameTable = sectionBytes(file, names);
  const sections = headers.map((header) => ({
    name: stringAt(nameTable, header.nameOffset),
    type: header.type,
    offset: header.offset,
    size: header.size,
    bytes: sectionBytes(file, header),
  }));
  return { machine: view.getUint16(18, true), sections };
}

interface SectionHeader {
  readonly nameOffset: number;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
}

function checkIdentification(view: DataView): void {
  if (view.byteLength < HEADER_SIZE) throw new MalformedError("ELF", "shorter than its header");
  if (view.getUint32(0) !== 0x7f454c46) throw new MalformedError("ELF", "no ELF magic number");
  if (view.getUint8(4) !== 2) throw new MalformedError("ELF", "not a 64-bit file");
  if (view.getUint8(5) !== 1) throw new MalformedError("ELF", "not a little-endian file");
}

function sectionHeaders(view: DataView): SectionHeader[] {
  const table = safeInteger(view.getBigUint64(40, true));
  const entrySize = view.getUint16(58, true);
  const count = view.getUint16(60, true);
  if (entrySize !== SECTION_HEADER_SIZE || count === 0) {
    throw new MalformedError("ELF", "no section table");
  }
  if (table + count * entrySize > view.byteLength) {
    throw new MalformedError("ELF", "the section table lies outside the file");
  }
  return Array.from({ length: count }, (_, index) => {
    const at = table + index * entrySize;
    return {
      nameOffset: view.getUint32(at, true),
      type: view.getUint32(at + 4, true),
      offset: safeInteger(view.getBigUint64(at + 24, true)),
      size: safeInteger(view.getBigUint64(at + 32, true)),
    };
  });
}

function sectionBytes(file: Uint8Array, { type, offset, size }: SectionHeader): Uint8Array {
  if (type === SHT_NOBITS || type === 0) return new Uint8Array(0);
  if (offset + size > file.byteLength) {
    throw new MalformedError(
      "ELF",
      `a section of ${size} bytes at ${offset} ends outside the file`,
    );
  }
  return file.subarray(offset, offset + size);
}

function safeInteger(value: bigint): number {
  if (value > 0xffff_ffff_ffffn) throw new MalformedError("ELF", `the offset ${value} is absurd`);
  return Number(value);
}

function stringAt(table: Uint8Array, offset: number): string {
  const end = table.indexOf(0, offset);
  if (end < 0) throw new MalformedError("ELF", `no section name at ${offset}`);
  return Buffer.from(table.buffer, table.byteOffset + offset, end - offset).toString("latin1");
}
