/** One type of a BTF blob (kernel documentation, bpf/btf.rst). Type id 0 is void. */
export type BtfType =
  | { readonly kind: "void" }
  | BtfInt
  | { readonly kind: "ptr"; readonly type: number }
  | BtfArray
  | BtfComposite
  | BtfEnum
  | { readonly kind: "fwd"; readonly name: string; readonly union: boolean }
  | { readonly kind: "typedef"; readonly name: string; readonly type: number }
  | { readonly kind: "volatile" | "const" | "restrict"; readonly type: number }
  | BtfFunc
  | BtfFuncProto
  | BtfVar
  | BtfDatasec
  | { readonly kind: "float"; readonly name: string; readonly size: number }
  | BtfDeclTag
  | { readonly kind: "type_tag"; readonly name: string; readonly type: number };

export interface BtfInt {
  readonly kind: "int";
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  readonly bits: number;
  /** Of the value inside its bytes; not 0 for old-style bit-fields only. */
  readonly bitOffset: number;
  readonly signed: boolean;
  readonly char: boolean;
  readonly bool: boolean;
}

export interface BtfArray {
  readonly kind: "array";
  readonly elementType: number;
  readonly indexType: number;
  readonly count: number;
}

export interface BtfMember {
  /** "" for an anonymous struct or union. */
  readonly name: string;
  readonly type: number;
  readonly bitOffset: number;
  /** 0: no bit-field. */
  readonly bitSize: number;
}

export interface BtfComposite {
  readonly kind: "struct" | "union";
  /** "" where anonymous. */
  readonly name: string;
  readonly size: number;
  readonly members: readonly BtfMember[];
}

export interface BtfEnum {
  readonly kind: "enum" | "enum64";
  readonly name: string;
  readonly size: number;
  readonly signed: boolean;
  readonly values: readonly { readonly name: string; readonly value: bigint }[];
}

export interface BtfFunc {
  readonly kind: "func";
  readonly name: string;
  readonly type: number;
  readonly linkage: BtfLinkage;
}

export interface BtfFuncProto {
  readonly kind: "func_proto";
  readonly returnType: number;
  readonly parameters: readonly { readonly name: string; readonly type: number }[];
}

export type BtfLinkage = "static" | "global" | "extern";

export interface BtfVar {
  readonly kind: "var";
  readonly name: string;
  readonly type: number;
  readonly linkage: BtfLinkage;
}

export interface BtfDatasec {
  readonly kind: "datasec";
  /** The section's name: ".maps", ".rodata". */
  readonly name: string;
  /** As compiled: 0. Known once libbpf has opened the object (`BpfObject.btf`). */
  readonly size: number;
  readonly variables: readonly {
    readonly type: number;
    readonly offset: number;
    readonly size: number;
  }[];
}

export interface BtfDeclTag {
  readonly kind: "decl_tag";
  readonly name: string;
  readonly type: number;
  /** -1: the declaration itself; otherwise one of its members or parameters. */
  readonly component: number;
}

export type BtfKind = BtfType["kind"];
/** The types of one kind, e.g. `BtfOf<"struct">`. */
export type BtfOf<K extends BtfKind> = BtfType extends infer T
  ? T extends { readonly kind: BtfKind }
    ? K extends T["kind"]
      ? T
      : never
    : never
  : never;
