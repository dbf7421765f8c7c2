import { MalformedError } from "../malformed.ts";
import type { BtfKind, BtfOf, BtfType } from "./type.ts";

/** The kernel's own bound on chains of types (MAX_RESOLVE_DEPTH). */
const MAX_DEPTH = 32;
const POINTER_SIZE = 8;

/** The types of one BTF blob, by id. */
export class Btf {
  readonly types: readonly BtfType[];
  readonly #ids = new Map<string, number>();

  /** @throws {MalformedError} where a type refers to an id that is not there. */
  constructor(types: readonly BtfType[]) {
    this.types = types;
    for (const [id, type] of types.entries()) {
      this.#checkReferences(type, id);
      const key = "name" in type && type.name !== "" ? `${type.kind} ${type.name}` : undefined;
      if (key !== undefined && !this.#ids.has(key)) this.#ids.set(key, id);
    }
  }

  /** @throws {MalformedError} for an id that is not there. */
  type(id: number): BtfType {
    const type = this.types[id];
    if (type === undefined) throw new MalformedError("BTF", `no type ${id}`);
    return type;
  }

  /** The first type of that kind and name. */
  find<K extends BtfKind>(kind: K, name: string): BtfOf<K> | undefined {
    const id = this.findId(kind, name);
    return id === undefined ? undefined : (this.types[id] as BtfOf<K>);
  }

  findId(kind: BtfKind, name: string): number | undefined {
    return this.#ids.get(`${kind} ${name}`);
  }

  /** The type below typedefs, qualifiers (const, volatile, restrict) and type tags. */
  resolve(id: number): BtfType {
    return this.type(this.resolveId(id));
  }

  resolveId(id: number): number {
    let at = id;
    for (let depth = 0; depth <= MAX_DEPTH; depth++) {
      const type = this.type(at);
      if (!isModifier(type)) return at;
      at = type.type;
    }
    throw new MalformedError("BTF", `type ${id} is a loop of modifiers`);
  }

  /**
   * In bytes.
   * @throws {MalformedError} for a type without a size: void, a function, a forward declaration.
   */
  sizeOf(id: number): number {
    let at = id;
    let elements = 1;
    for (let depth = 0; depth <= MAX_DEPTH; depth++) {
      const type = this.resolve(at);
      if (type.kind === "array") {
        elements *= type.count;
        at = type.elementType;
      } else if (type.kind === "var") at = type.type;
      else if (type.kind === "ptr") return elements * POINTER_SIZE;
      else if ("size" in type) return elements * type.size;
      else throw new MalformedError("BTF", `type ${id} (${type.kind}) has no size`);
    }
    throw new MalformedError("BTF", `type ${id} is a loop of arrays`);
  }

  #checkReferences(type: BtfType, id: number): void {
    for (const reference of references(type)) {
      if (reference >= this.types.length) {
        throw new MalformedError("BTF", `type ${id} (${type.kind}) refers to type ${reference}`);
      }
    }
  }
}

function isModifier(type: BtfType): type is BtfType & { readonly type: number } {
  return ["typedef", "const", "volatile", "restrict", "type_tag"].includes(type.kind);
}

function references(type: BtfType): readonly number[] {
  switch (type.kind) {
    case "array":
      return [type.elementType, type.indexType];
    case "struct":
    case "union":
      return type.members.map((member) => member.type);
    case "func_proto":
      return [type.returnType, ...type.parameters.map((parameter) => parameter.type)];
    case "datasec":
      return type.variables.map((variable) => variable.type);
    default:
      return "type" in type ? [type.type] : [];
  }
}
