import { error, type Fault } from "./fault.ts";
import { type Fields, fieldsOf, textOf } from "./fields.ts";

/** What an object's metadata says of its identity and version. */
export interface Metadata {
  /** "" for an object without one, as a Node is. */
  readonly namespace: string;
  readonly name: string;
  readonly labels: Fields;
  readonly annotations: Fields;
  readonly deleting: boolean;
}

/** Undefined without a name. */
export function metadataOf(raw: unknown): Metadata | undefined {
  const metadata = fieldsOf(fieldsOf(raw).metadata);
  const name = textOf(metadata.name);
  if (name === undefined) return undefined;
  return {
    namespace: textOf(metadata.namespace) ?? "",
    name,
    labels: fieldsOf(metadata.labels),
    annotations: fieldsOf(metadata.annotations),
    deleting: textOf(metadata.deletionTimestamp) !== undefined,
  };
}

export const nameless: readonly Fault[] = [
  error(["metadata", "name"], "is missing: give the object a name"),
];
