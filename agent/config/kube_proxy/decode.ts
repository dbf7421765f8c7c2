import { closest } from "../closest.ts";
import type { ConfigError } from "../error.ts";
import { fieldAt, fields } from "./fields.ts";
import { checkValues, type Given, invalid, isUnset, type Values } from "./values.ts";

/** What a KubeProxyConfiguration says. */
export interface Decoded {
  readonly values: Values;
  /** Of fields that do not exist: kube-proxy warns of them, and goes on without (KP-50). */
  readonly warnings: readonly string[];
  readonly errors: readonly ConfigError[];
}

const paths = Object.keys(fields);
const isSection = (path: string): boolean => paths.some((known) => known.startsWith(`${path}.`));

/** Reads what a KubeProxyConfiguration in `file` has besides its kind. */
export function decodeDocument(file: string, content: object): Decoded {
  const values = new Map<string, Given>();
  const warnings: string[] = [];
  const errors: ConfigError[] = [];

  const read = (path: string, value: unknown): void => {
    const field = fieldAt(path);
    const target = `${file}: ${path}`;
    if (field === undefined) readSection(path, value, target);
    else if (value !== null && !field.type.accepts(value)) {
      errors.push(invalid(target, value, field.type.instead));
    } else if (!isUnset(field, value)) values.set(path, { value, target });
  };
  const readSection = (path: string, value: unknown, target: string): void => {
    if (!isSection(path)) warnings.push(`${target}: ${unknownField(path)}`);
    else if (value !== null && (typeof value !== "object" || Array.isArray(value))) {
      errors.push(invalid(target, value, "a mapping"));
    } else readAll(`${path}.`, value ?? {});
  };
  const readAll = (prefix: string, section: object): void => {
    for (const [key, value] of Object.entries(section)) read(`${prefix}${key}`, value);
  };

  readAll("", content);
  const checked = checkValues(values);
  return { values: checked.values, warnings, errors: [...errors, ...checked.errors] };
}

function unknownField(path: string): string {
  const prefix = path.slice(0, path.lastIndexOf(".") + 1);
  const siblings = paths
    .filter((known) => known.startsWith(prefix))
    .map((known) => known.slice(prefix.length).split(".", 1).join());
  const [meant] = closest(path.slice(prefix.length), siblings, 1);
  const help = meant === undefined ? "" : `; use ${prefix}${meant}`;
  return `there is no such field, so it is left out${help}`;
}
