import { styleText } from "node:util";
import type { Plain } from "./plain.ts";

export type LogLevel = "error" | "warn" | "info" | "debug";

/** One message, ready to print: no secret is left in it. */
export interface Line {
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, Plain>>;
}

const colours = { error: "red", warn: "yellow", info: "green", debug: "gray" } as const;

/** One message for people: `15:04:05.678 INFO  message  name=value name=value`. */
export function formatLine({ time, level, message, fields }: Line, colour: boolean): string {
  const paint = (style: Parameters<typeof styleText>[0], text: string) =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const shown = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${paint("dim", `${name}=`)}${formatValue(value)}`);
  const head = `${paint("dim", time.slice(11, 23))} ${paint(colours[level], level.toUpperCase().padEnd(5))}`;
  return [`${head} ${oneLine(message)}`, ...(shown.length > 0 ? [` ${shown.join(" ")}`] : [])].join(
    " ",
  );
}

/** Control characters would break the line, or steer the terminal. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ").trim();
}

function formatValue(value: Plain): string {
  if (typeof value === "string")
    return /^[^\s"=\p{Cc}]+$/u.test(value) ? value : JSON.stringify(value);
  if (isError(value)) return JSON.stringify(describeError(value));
  return JSON.stringify(value) ?? "";
}

interface PlainError {
  readonly message: string;
  readonly [field: string]: Plain;
}

function isError(value: Plain): value is PlainError {
  return (
    typeof value === "object" &&
    value !== null &&
    "message" in value &&
    typeof value.message === "string"
  );
}

/** `message (operation=attach code=EPERM target=/sys/fs/cgroup): message of the cause ...` */
function describeError({ message, cause, ...fields }: PlainError): string {
  const details = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`);
  const own = details.length > 0 ? `${message} (${details.join(" ")})` : message;
  if (cause === undefined || cause === null) return own;
  return `${own}: ${isError(cause) ? describeError(cause) : JSON.stringify(cause)}`;
}
