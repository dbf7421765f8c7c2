import { createHash } from "node:crypto";
import { type Btf, btfOfObject } from "libbpf-ts/btf";
import { arraySource, codecSource, hasNumbers } from "./codec.ts";
import { pascal } from "./field.ts";
import { mapsOf } from "./map.ts";
import { type Struct, structOf } from "./struct.ts";

/** The TypeScript source of the layout of one compiled object. */
export function generateLayout(object: Uint8Array): string {
  const btf = btfOfObject(object);
  const maps = mapsOf(btf);
  const extra = extraTypes(btf);
  const names = new Set([...maps.flatMap(({ key, value }) => [key, value]), ...extra.structs]);
  const structs = [...names]
    .filter((name) => name !== undefined)
    .map((name) => structOf(btf, name));
  const mapped = new Set(maps.filter(({ mmapable }) => mmapable).map(({ value }) => value));
  const flags = extra.enums.map((name) => enumSource(btf, name));
  return [
    prelude,
    `/** Changes with any struct or flag below: maps of another layout are not to be read. */
export const layoutFingerprint = ${fingerprint(structs, flags)}n;
`,
    ...flags,
    ...structs.map(codecSource),
    ...structs.filter((each) => mapped.has(each.name) && hasNumbers(each)).map(arraySource),
  ].join("\n");
}

/** The members of `layout_types`: what no map names. */
function extraTypes(btf: Btf): { readonly structs: string[]; readonly enums: string[] } {
  const variable = btf.find("var", "layout_types");
  const union = variable && btf.resolve(variable.type);
  if (union?.kind !== "union") throw new Error("the object has no union layout_types");
  const types = union.members.map((member) => btf.resolve(member.type));
  return {
    structs: types.flatMap((type) => (type.kind === "struct" ? [type.name] : [])),
    enums: types.flatMap((type) => (type.kind === "enum" ? [type.name] : [])),
  };
}

/** Values lose the prefix that they share with the enum: SERVICE_IN_USE of service_flag is IN_USE. */
function enumSource(btf: Btf, name: string): string {
  const type = btf.find("enum", name);
  if (type === undefined) throw new Error(`no enum ${name} in the object's BTF`);
  const prefix = `${name.split("_")[0]?.toUpperCase()}_`;
  const lines = type.values.map((each) => `  ${each.name.replace(prefix, "")}: ${each.value},`);
  return `/** enum ${name}. */\nexport const ${pascal(name)} = {\n${lines.join("\n")}\n} as const;\n`;
}

function fingerprint(structs: readonly Struct[], flags: readonly string[]): bigint {
  const hash = createHash("sha256")
    .update(JSON.stringify([structs, flags]))
    .digest();
  return hash.readBigUInt64LE();
}

const prelude = `// Generated from the BTF of the compiled programs: see maps.h and generate.ts.

/** Between a struct in memory and a plain object. Numbers are in host order. */
export interface Codec<T> {
  /** In bytes. */
  readonly size: number;
  encode(value: T, into: Uint8Array, at?: number): void;
  decode(from: Uint8Array, at?: number): T;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function viewOf(bytes: Uint8Array, at: number, size: number): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset + at, size);
}

function putBytes(into: Uint8Array, at: number, size: number, value: Uint8Array): void {
  if (value.length !== size) throw new RangeError(\`\${size} bytes wanted, not \${value.length}\`);
  into.set(value, at);
}

/** NUL-padded; the last byte is always NUL. */
function putText(into: Uint8Array, at: number, size: number, value: string): void {
  encoder.encodeInto(value, into.subarray(at, at + size - 1));
}

function getText(from: Uint8Array, at: number, size: number): string {
  const end = from.indexOf(0, at);
  return decoder.decode(from.subarray(at, end < 0 || end > at + size ? at + size : end));
}
`;
