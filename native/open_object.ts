import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { addon } from "./addon.ts";
import { parseBtf, parseElf } from "./btf.ts";
import { ArgumentError, BpfError } from "./errors.ts";
import { failed } from "./loaded.ts";
import { BpfObject } from "./object.ts";

export interface OpenObjectOptions {
  /** Prefixes the names of its data sections' maps; the file's name unless given. */
  readonly name?: string;
  /** BTF of the kernel, where /sys/kernel/btf/vmlinux is missing. */
  readonly btfCustomPath?: string;
}

/**
 * Reads a compiled object; nothing is in the kernel yet.
 * @throws {MalformedError} for bytes that are no ELF file with sound BTF.
 */
export function openObject(
  pathOrBytes: string | Uint8Array,
  options: OpenObjectOptions = {},
): BpfObject {
  const isPath = typeof pathOrBytes === "string";
  const bytes = isPath ? readObject(pathOrBytes) : pathOrBytes;
  if (!(bytes instanceof Uint8Array)) throw new ArgumentError("an object is a path or bytes");
  // libbpf trusts its input more than this library does.
  const elf = parseElf(bytes);
  const types = elf.sections.find((section) => section.name === ".BTF");
  if (types !== undefined) parseBtf(types.bytes);
  const name = options.name ?? (isPath ? basename(pathOrBytes).replace(/\..*$/, "") : "object");
  const opened = addon.objectOpen(bytes, name, options.btfCustomPath);
  if ("error" in opened) throw failed("object.open", name, opened);
  return new BpfObject(name, opened);
}

function readObject(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (cause) {
    const errno = -((cause as NodeJS.ErrnoException).errno ?? 0);
    throw new BpfError({ operation: "object.open", target: path, errno, cause });
  }
}
