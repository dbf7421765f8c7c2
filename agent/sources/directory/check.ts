import { error, type Fault, type Path, warning } from "../parse/fault.ts";
import { isFields, shown } from "../parse/fields.ts";
import type { Schema } from "./schema.ts";
import { closest } from "./spelling.ts";

/** Wrong types (errors) and unknown fields (warnings) of a hand-written object. null counts as absent. */
export function check(schema: Schema, value: unknown, path: Path = []): Fault[] {
  if (value === null || value === undefined || schema === "any") return [];
  if (typeof schema === "string") {
    return isScalar(schema, value) ? [] : [error(path, complaint(schema, value))];
  }
  if ("list" in schema) {
    if (!Array.isArray(value)) return [error(path, `is ${shown(value)}; write a list`)];
    return value.flatMap((item, index) => check(schema.list, item, [...path, index]));
  }
  if (!isFields(value)) return [error(path, `is ${shown(value)}; write a mapping of fields`)];
  return Object.entries(value).flatMap(([name, item]) => {
    const field = Object.hasOwn(schema.fields, name) ? schema.fields[name] : undefined;
    if (field !== undefined) return check(field, item, [...path, name]);
    return [warning([...path, name], unknown(name, Object.keys(schema.fields)))];
  });
}

type Scalar = Extract<Schema, string>;

function isScalar(schema: Scalar, value: unknown): boolean {
  switch (schema) {
    case "any":
      return true;
    case "boolean":
      return typeof value === "boolean";
    case "integer":
      return Number.isInteger(value);
    case "integerOrText":
      return Number.isInteger(value) || typeof value === "string";
    case "text":
      return typeof value === "string";
    case "textMap":
      return (
        isFields(value) &&
        Object.values(value).every((item) => item === null || typeof item === "string")
      );
  }
}

const expected: Readonly<Record<Scalar, string>> = {
  any: "anything",
  boolean: "true or false",
  integer: "a whole number without quotes",
  integerOrText: "a whole number or a name",
  text: "text; numbers, true and false need quotes to be text",
  textMap: "a mapping of texts; numbers, true and false need quotes to be text",
};

const complaint = (schema: Scalar, value: unknown): string =>
  `is ${shown(value)}; write ${expected[schema]}`;

function unknown(name: string, names: readonly string[]): string {
  const meant = closest(name, names);
  if (meant === undefined) return "is no field that Kubernetes knows here; it is ignored";
  return `is no field that Kubernetes knows here and is ignored; did you mean ${meant}?`;
}
