import { isSecretName, redacted, redactText } from "./redact.ts";

/** JSON, and undefined for what is left out. */
export type Plain =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Plain[]
  | { readonly [name: string]: Plain };

const depthLimit = 8;
const listLimit = 100;

/**
 * A value as JSON that may be printed: secrets are struck out, errors become their operation, code,
 * target, message and chain of causes, cycles and great depths are cut.
 */
export function plain(value: unknown): Plain {
  return convert(value, []);
}

function convert(value: unknown, above: readonly object[]): Plain {
  if (typeof value === "string") return redactText(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "function" || typeof value === "symbol") return undefined;
  if (typeof value !== "object" || value === null) return value as Plain;
  if (above.includes(value)) return "[cycle]";
  if (above.length >= depthLimit) return "[deep]";
  try {
    return convertObject(value, [...above, value]);
  } catch {
    // A getter threw: a log must not.
    return "[unreadable]";
  }
}

function convertObject(value: object, above: readonly object[]): Plain {
  if (value instanceof Error) return convertError(value, above);
  if (value instanceof Date) return Number.isNaN(+value) ? null : value.toISOString();
  if (value instanceof URL) return redactText(value.href);
  if (value instanceof Map) return convertEntries([...value], above);
  if (value instanceof Set) return convertList([...value], above);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return convertList(value, above);
  return convertEntries(Object.entries(value), above);
}

function convertList(values: readonly unknown[], above: readonly object[]): Plain {
  const shown = values.slice(0, listLimit).map((value) => convert(value, above));
  const left = values.length - shown.length;
  return left > 0 ? [...shown, `[${left} more]`] : shown;
}

function convertEntries(
  entries: readonly (readonly [unknown, unknown])[],
  above: readonly object[],
): Plain {
  return Object.fromEntries(
    entries.map(([key, value]) => {
      const name = String(key);
      const secret = isSecretName(name) && value !== undefined && typeof value !== "boolean";
      return [name, secret ? redacted : convert(value, above)];
    }),
  );
}

/** The fields by which errors here are told apart; others may hold whole requests. */
const errorFields = ["operation", "code", "target", "errno", "syscall", "address", "port"] as const;

function convertError(error: Error, above: readonly object[]): Plain {
  const fields = errorFields.flatMap((name) => {
    const value = (error as Error & Partial<Record<string, unknown>>)[name];
    return value === undefined ? [] : [[name, convert(value, above)] as const];
  });
  const inner = error instanceof AggregateError ? { errors: convertList(error.errors, above) } : {};
  return {
    message: redactText(error.message),
    ...Object.fromEntries(fields),
    ...inner,
    ...(error.cause === undefined ? {} : { cause: convert(error.cause, above) }),
  };
}
