import type { Btf, BtfMember } from "libbpf-ts/btf";

const BPF_F_MMAPABLE = 1 << 10;

/** One map definition of the object, as libbpf's `__uint` and `__type` spell it. */
export interface MapDefinition {
  readonly name: string;
  /** Names of the structs that its key and value are; undefined: a plain integer. */
  readonly key: string | undefined;
  readonly value: string | undefined;
  readonly mmapable: boolean;
}

export function mapsOf(btf: Btf): MapDefinition[] {
  const section = btf.find("datasec", ".maps");
  if (section === undefined) throw new Error("the object defines no maps");
  return section.variables.map(({ type }) => mapOf(btf, type));
}

function mapOf(btf: Btf, id: number): MapDefinition {
  const variable = btf.type(id);
  if (variable.kind !== "var") throw new Error(`.maps holds a ${variable.kind}`);
  const definition = btf.resolve(variable.type);
  if (definition.kind !== "struct") throw new Error(`map ${variable.name} is no struct`);
  const member = (name: string) => definition.members.find((each) => each.name === name);
  return {
    name: variable.name,
    key: structName(btf, member("key")),
    value: structName(btf, member("value")),
    mmapable: (number(btf, member("map_flags")) & BPF_F_MMAPABLE) !== 0,
  };
}

function structName(btf: Btf, member: BtfMember | undefined): string | undefined {
  const type = pointee(btf, member);
  return type?.kind === "struct" ? type.name : undefined;
}

/** `__uint(name, n)` is a pointer to an array of n elements. */
function number(btf: Btf, member: BtfMember | undefined): number {
  const type = pointee(btf, member);
  return type?.kind === "array" ? type.count : 0;
}

function pointee(btf: Btf, member: BtfMember | undefined) {
  if (member === undefined) return undefined;
  const pointer = btf.resolve(member.type);
  return pointer.kind === "ptr" ? btf.resolve(pointer.type) : undefined;
}
