import type { Btf, BtfMember } from "libbpf-ts/btf";

/** One member of a struct, as a codec sees it. */
export interface Field {
  /** camelCase. */
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly kind: "u8" | "u16" | "u32" | "u64" | "bytes" | "text";
  /** In network byte order: the kernel's type is a `__be16` or `__be32`. */
  readonly bigEndian: boolean;
  readonly padding: boolean;
}

const integers = { 1: "u8", 2: "u16", 4: "u32", 8: "u64" } as const;

export const camel = (name: string): string =>
  name.replace(/_+(\w)/g, (_, letter: string) => letter.toUpperCase());

export const pascal = (name: string): string => camel(`_${name}`);

/** Of a member that lies on whole bytes. @throws {Error} for a type that has no codec. */
export function fieldOf(btf: Btf, owner: string, member: BtfMember): Field {
  return {
    name: camel(member.name),
    offset: member.bitOffset / 8,
    size: btf.sizeOf(member.type),
    kind: kindOf(btf, owner, member),
    bigEndian: isBigEndian(btf, member.type),
    padding: /^pad\d*$/.test(member.name),
  };
}

function kindOf(btf: Btf, owner: string, member: BtfMember): Field["kind"] {
  const type = btf.resolve(member.type);
  if (type.kind === "struct") return "bytes";
  if (type.kind === "array") {
    const element = btf.resolve(type.elementType);
    return element.kind === "int" && element.name === "char" ? "text" : "bytes";
  }
  if (type.kind === "int" && type.size in integers && !type.signed) {
    return integers[type.size as keyof typeof integers];
  }
  throw new Error(`struct ${owner}: ${member.name} (${type.kind}) has no codec`);
}

function isBigEndian(btf: Btf, id: number): boolean {
  const type = btf.type(id);
  return type.kind === "typedef" && /^__be\d\d$/.test(type.name);
}
