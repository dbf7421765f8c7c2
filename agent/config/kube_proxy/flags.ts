import type { ConfigError } from "../error.ts";
import { settingKeys } from "../settings.ts";
import { type Field, fields } from "./fields.ts";
import type { Note } from "./note.ts";
import { checkValues, type Given, invalid, isUnset, type Values } from "./values.ts";

/** A flag of kube-proxy that stands for a field of its configuration. */
export interface KubeProxyFlag {
  /** Without dashes. */
  readonly name: string;
  readonly path: string;
  readonly field: Field;
  /** A setting of our own has a flag of this name, and takes the same values. */
  readonly isShared: boolean;
}

/** What was typed, by `attributeOf` a flag's name. */
export type TypedFlags = Readonly<Record<string, string | undefined>>;

export interface ReadFlags {
  readonly values: Values;
  readonly notes: readonly Note[];
  readonly errors: readonly ConfigError[];
}

/** `conntrack-udp-timeout` -> `conntrackUdpTimeout` */
export const attributeOf = (flag: string): string =>
  flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());

export const kubeProxyFlags: readonly KubeProxyFlag[] = Object.entries(fields).flatMap(
  ([path, field]) => {
    const { flag: name } = field;
    if (name === undefined) return [];
    const isShared = settingKeys.some((key) => key === attributeOf(name));
    return [{ name, path, field, isShared }];
  },
);

export const dashed = (name: string): string => (name.length === 1 ? `-${name}` : `--${name}`);

/** Whether a flag counts nothing beside a file of kind KubeProxyConfiguration (KP-52). */
export const yieldsToFile = (attribute: string): boolean =>
  kubeProxyFlags.some(({ name, field }) => attributeOf(name) === attribute && !field.flagWins);

/** Reads the flags that are not shared. `file`: a KubeProxyConfiguration that is given, too. */
export function readFlags(typed: TypedFlags, file: string | undefined): ReadFlags {
  const values = new Map<string, Given>();
  const notes: Note[] = [];
  const errors: ConfigError[] = [];
  for (const { name, path, field, isShared } of kubeProxyFlags) {
    const text = typed[attributeOf(name)];
    const target = dashed(name);
    if (text === undefined) continue;
    if (file !== undefined && !field.flagWins) notes.push(ignoredFlag(target, path, file));
    else if (!isShared) {
      const value = field.type.fromFlag(text);
      if (!field.type.accepts(value)) errors.push(invalid(target, text, field.type.instead));
      else if (!isUnset(field, value)) values.set(path, { value, target });
    }
  }
  const checked = checkValues(values);
  return { values: checked.values, notes, errors: [...errors, ...checked.errors] };
}

export const ignoredFlag = (flag: string, path: string, file: string): Note => ({
  level: "warn",
  message: `${flag} is ignored, as by kube-proxy: ${file} is a KubeProxyConfiguration; set ${path} there`,
});
