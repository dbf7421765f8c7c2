/** An object of the API as JSON or YAML gave it: nothing in it is certain. */
export type Fields = Readonly<Record<string, unknown>>;

const none: Fields = Object.freeze({});
const empty: readonly never[] = Object.freeze([]);

export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The fields of an object; none where the value is absent or no object. */
export const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : none);

/** The items of a list; none where the value is absent or no list. */
export const itemsOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : empty;

/** The text, or undefined where the value is absent, empty or no text. */
export const textOf = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

/** The same list without the room that pushing leaves behind it (for 16 more); none is one object. */
export const compact = <T>(list: readonly T[]): readonly T[] =>
  list.length === 0 ? empty : list.slice();

/** The value as a message shows it: short, on one line. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
