import type { Btf, BtfMember, BtfOf } from "libbpf-ts/btf";
import { type Field, fieldOf } from "./field.ts";

export interface Struct {
  readonly name: string;
  readonly size: number;
  readonly fields: readonly Field[];
}

/** @throws {Error} where BTF has no such struct, or it has a hole or a bit-field. */
export function structOf(btf: Btf, name: string): Struct {
  const type = btf.find("struct", name);
  if (type === undefined) throw new Error(`no struct ${name} in the object's BTF`);
  checkHoles(btf, type);
  return {
    name,
    size: type.size,
    fields: type.members.map((member) => fieldOf(btf, name, member)),
  };
}

/** Every byte of the struct, and of the structs in it, belongs to a member. */
function checkHoles(btf: Btf, type: BtfOf<"struct" | "union">): void {
  let end = 0;
  for (const member of type.members) {
    const offset = byteOffset(type.name, member);
    if (offset !== end) throw new Error(hole(type.name, end, offset));
    end = offset + btf.sizeOf(member.type);
    checkNested(btf, member.type);
  }
  if (end !== type.size) throw new Error(hole(type.name, end, type.size));
}

function byteOffset(owner: string, { name, bitOffset, bitSize }: BtfMember): number {
  if (bitSize !== 0 || bitOffset % 8 !== 0) {
    throw new Error(`struct ${owner}: ${name} is a bit-field`);
  }
  return bitOffset / 8;
}

function checkNested(btf: Btf, id: number): void {
  const type = btf.resolve(id);
  if (type.kind === "array") checkNested(btf, type.elementType);
  else if (type.kind === "struct") checkHoles(btf, type);
}

const hole = (name: string, from: number, to: number): string =>
  `struct ${name} has a hole from byte ${from} to ${to}: spell the padding out`;
