import { Btf } from "./btf/btf.ts";
import { parseBtf } from "./btf/parse.ts";
import { parseElf } from "./elf.ts";
import { MalformedError } from "./malformed.ts";

export type * from "./btf/type.ts";
export type { Elf, ElfSection } from "./elf.ts";
export { Btf, MalformedError, parseBtf, parseElf };

/**
 * The BTF of a compiled BPF object. Sizes of data sections and offsets of variables in them are not
 * yet filled in there: libbpf does that when it opens the object (`BpfObject.btf`).
 */
export function btfOfObject(bytes: Uint8Array): Btf {
  const section = parseElf(bytes).sections.find(({ name }) => name === ".BTF");
  if (section === undefined) throw new MalformedError("ELF", "no .BTF section: compile with -g");
  return parseBtf(section.bytes);
}
