import { ConfigError } from "../error.ts";
import { type Field, fieldAt } from "./fields.ts";

/** A field that is set, and where: a path in a file, or a flag. */
export interface Given {
  readonly value: unknown;
  readonly target: string;
}

/** The fields that are set, by their paths. */
export type Values = ReadonlyMap<string, Given>;

/** What kube-proxy takes for unset (KP-51). */
export function isUnset({ type, isPointer }: Field, value: unknown): boolean {
  return value === null || (isPointer !== true && type.isZero(value));
}

export const invalid = (target: string, value: unknown, instead: string): ConfigError =>
  new ConfigError("invalid-value", target, `${JSON.stringify(value)} is not valid; use ${instead}`);

/** Parts values that are each of the right type into those that can be taken, and what is wrong. */
export function checkValues(values: Values): { values: Values; errors: readonly ConfigError[] } {
  const other = (path: string) => values.get(path)?.value;
  const errors: ConfigError[] = [];
  const sound = [...values].filter(([path, { value, target }]) => {
    const problems = fieldAt(path)?.check?.(value, other) ?? [];
    for (const { part, value, instead } of problems) {
      errors.push(invalid(`${target}${part}`, value, instead));
    }
    return problems.length === 0;
  });
  return { values: new Map(sound), errors };
}
