import { isDeepStrictEqual } from "node:util";
import { fieldAt } from "./fields.ts";
import type { Values } from "./values.ts";

/** What is said once when the agent starts. */
export interface Note {
  readonly level: "info" | "warn";
  readonly message: string;
}

/** One for each field that is set to what nothing here follows, unless it is set to its default. */
export function mootNotes(values: Values): Note[] {
  return [...values].flatMap(([path, { value, target }]) => {
    const { moot, preset } = fieldAt(path) ?? {};
    if (moot === undefined || isDeepStrictEqual(value, preset)) return [];
    return [{ level: "info", message: `${target} changes nothing here: ${moot}` }];
  });
}
