import { type Field, pascal } from "./field.ts";
import type { Struct } from "./struct.ts";

const types = {
  u8: "number",
  u16: "number",
  u32: "number",
  u64: "bigint",
  bytes: "Uint8Array",
  text: "string",
} as const;

const accessors = { u8: "Uint8", u16: "Uint16", u32: "Uint32", u64: "BigUint64" } as const;

const shown = ({ fields }: Struct): readonly Field[] => fields.filter(({ padding }) => !padding);

const typeOf = (field: Field): string =>
  field.kind === "bytes" ? `Uint8Array /* ${field.size} */` : types[field.kind];

const isNumber = ({ kind }: Field): boolean => kind !== "bytes" && kind !== "text";

/** A struct of bytes alone is read as one flat typed array. */
export const hasNumbers = (struct: Struct): boolean => shown(struct).some(isNumber);

/** The plain object and the codec of one struct. */
export function codecSource(struct: Struct): string {
  const name = pascal(struct.name);
  const viewed = (bytes: string): string =>
    hasNumbers(struct) ? `    const view = viewOf(${bytes}, at, ${struct.size});\n` : "";
  const codec = `${name[0]?.toLowerCase()}${name.slice(1)}Codec`;
  return `/** struct ${struct.name}. */
export interface ${name} {
${shown(struct)
  .map((field) => `  readonly ${field.name}: ${typeOf(field)};`)
  .join("\n")}
}

export const ${codec}: Codec<${name}> = {
  size: ${struct.size},
  encode(value, into, at = 0) {
${viewed("into")}    into.fill(0, at, at + ${struct.size});
${shown(struct).map(encodeField).join("\n")}
  },
  decode(from, at = 0) {
${viewed("from")}    return {
${shown(struct).map(decodeField).join("\n")}
    };
  },
};
`;
}

function encodeField(field: Field): string {
  const value = `value.${field.name}`;
  if (field.kind === "bytes") {
    return `    putBytes(into, at + ${field.offset}, ${field.size}, ${value});`;
  }
  if (field.kind === "text") {
    return `    putText(into, at + ${field.offset}, ${field.size}, ${value});`;
  }
  const order = field.size === 1 ? "" : `, ${!field.bigEndian}`;
  return `    view.set${accessors[field.kind]}(${field.offset}, ${value}${order});`;
}

function decodeField(field: Field): string {
  const at = `at + ${field.offset}`;
  if (field.kind === "bytes")
    return `      ${field.name}: from.slice(${at}, ${at} + ${field.size}),`;
  if (field.kind === "text") return `      ${field.name}: getText(from, ${at}, ${field.size}),`;
  const order = field.size === 1 ? "" : `, ${!field.bigEndian}`;
  return `      ${field.name}: view.get${accessors[field.kind]}(${field.offset}${order}),`;
}

/** A live array of one struct over a memory mapping. */
export function arraySource(struct: Struct): string {
  const name = pascal(struct.name);
  const has = (...kinds: readonly Field["kind"][]): boolean =>
    shown(struct).some(({ kind }) => kinds.includes(kind));
  const bytes = has("bytes", "text");
  const words = has("u64");
  return `/** struct ${struct.name}[], live over a mapping. 64-bit fields are loaded and stored whole. */
export class ${name}Array {
  static readonly stride = ${struct.size};
  readonly length: number;
  readonly #view: DataView;
${bytes ? "  readonly #bytes: Uint8Array;\n" : ""}${words ? "  readonly #words: BigUint64Array;\n" : ""}
  /** \`length\`: elements, of those that the buffer holds. */
  constructor(buffer: ArrayBuffer, length = Math.floor(buffer.byteLength / ${struct.size})) {
    this.length = length;
    this.#view = new DataView(buffer);
${bytes ? "    this.#bytes = new Uint8Array(buffer);\n" : ""}${
  words
    ? "    this.#words = new BigUint64Array(buffer, 0, Math.floor(buffer.byteLength / 8));\n"
    : ""
}  }

${shown(struct)
  .map((field) => accessorPair(struct, field))
  .join("\n")}}
`;
}

function accessorPair(struct: Struct, field: Field): string {
  const at = `index * ${struct.size} + ${field.offset}`;
  const setter = `set${pascal(field.name)}`;
  if (field.kind === "u64") {
    return pair(
      field,
      setter,
      `Atomics.load(this.#words, (${at}) / 8)`,
      `Atomics.store(this.#words, (${at}) / 8, value)`,
    );
  }
  if (field.kind === "bytes" || field.kind === "text") {
    return pair(
      field,
      setter,
      `this.#bytes.subarray(${at}, ${at} + ${field.size})`,
      `putBytes(this.#bytes, ${at}, ${field.size}, value)`,
    );
  }
  const order = field.size === 1 ? "" : `, ${!field.bigEndian}`;
  const accessor = accessors[field.kind];
  return pair(
    field,
    setter,
    `this.#view.get${accessor}(${at}${order})`,
    `this.#view.set${accessor}(${at}, value${order})`,
  );
}

const pair = (field: Field, setter: string, load: string, store: string): string =>
  `  ${field.name}(index: number): ${types[field.kind]} {
    return ${load};
  }

  ${setter}(index: number, value: ${types[field.kind]}): void {
    ${store};
  }
`;
