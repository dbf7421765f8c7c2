import { Writable } from "node:stream";
import { createLogger, format, type Logger, transports } from "winston";
import { type Plain, plain } from "./log/plain.ts";
import { redactText } from "./log/redact.ts";
import { formatLine, type Line, type LogLevel } from "./log/text.ts";

/** What a message is about: names to values. Errors may stand anywhere in it. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where the agent says what it does. Nothing secret that a field or message holds is printed. */
export interface Log {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** A log that adds `fields` to each of its messages. */
  child(fields: LogFields): Log;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** "auto": text where the output is a terminal, JSON otherwise. */
  readonly format: "auto" | "text" | "json";
  readonly output: LogOutput;
}

/** A stream that may be a terminal; colour is used on a terminal only, and not under NO_COLOR. */
export interface LogOutput {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const levels = { error: 0, warn: 1, info: 2, debug: 3 } as const;

/** A log that writes one line per message to `output`. */
export function createLog({ level, format: form, output }: LogOptions): Log {
  const terminal = output.isTTY === true;
  // Set to anything but nothing (https://no-color.org).
  const colour = terminal && !process.env.NO_COLOR;
  const text = form === "text" || (form === "auto" && terminal);
  const stream = new Writable({
    decodeStrings: false,
    write: (chunk, _encoding, done) => {
      output.write(chunk);
      done();
    },
  });
  const logger = createLogger({
    level,
    levels,
    format: format.printf((entry) => {
      const line = {
        time: new Date().toISOString(),
        level: entry.level as LogLevel,
        message: redactText(String(entry.message)),
        fields: plain(entry.fields) as Readonly<Record<string, Plain>>,
      };
      return text ? formatLine(line, colour) : jsonLine(line);
    }),
    transports: [new transports.Stream({ stream, eol: "\n" })],
  });
  return logOf(logger, {});
}

/** A log for tests and for parts that nobody asked to speak. */
export const silentLog: Log = {
  error: () => {},
  warn: () => {},
  info: () => {},
  debug: () => {},
  child: () => silentLog,
};

function logOf(logger: Logger, fixed: LogFields): Log {
  const at = (level: LogLevel) => (message: string, fields?: LogFields) => {
    logger.log({ level, message, fields: { ...fixed, ...fields } });
  };
  return {
    error: at("error"),
    warn: at("warn"),
    info: at("info"),
    debug: at("debug"),
    child: (fields) => logOf(logger, { ...fixed, ...fields }),
  };
}

function jsonLine({ time, level, message, fields }: Line): string {
  const own = { time, level, message };
  // Twice: first in the line, and not to be overwritten by a field of the same name.
  return JSON.stringify(Object.assign({}, own, fields, own));
}
