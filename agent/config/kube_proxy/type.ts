import { durationSeconds } from "./duration.ts";

/** A type of values of a KubeProxyConfiguration, as its file and its flags have them. */
export interface FieldType {
  /** Ends the sentence `VALUE is not valid; use ...`. */
  readonly instead: string;
  readonly accepts: (value: unknown) => boolean;
  /** Zero means unset, unless the field is a pointer (KP-51). */
  readonly isZero: (value: unknown) => boolean;
  /** What stands in a file for this text of a flag; text itself where it cannot be read. */
  readonly fromFlag: (text: string) => unknown;
  /** How a file has it; undefined where it is left out. */
  readonly zero?: unknown;
}

export const text: FieldType = {
  instead: "text",
  accepts: (value) => typeof value === "string",
  isZero: (value) => value === "",
  fromFlag: (text) => text,
  zero: "",
};

/** Go takes more spellings on the command line than YAML does. */
const flagWords = new Map([
  ...["1", "t", "T", "true", "TRUE", "True"].map((word) => [word, true] as const),
  ...["0", "f", "F", "false", "FALSE", "False"].map((word) => [word, false] as const),
]);

export const boolean: FieldType = {
  instead: "true or false",
  accepts: (value) => typeof value === "boolean",
  isZero: (value) => value === false,
  fromFlag: (text) => flagWords.get(text) ?? text,
  zero: false,
};

const numberFrom = (text: string): unknown =>
  text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text);

export const integer = (least: number, most = 2 ** 31 - 1): FieldType => ({
  instead: `a whole number from ${least} to ${most}`,
  accepts: (value) =>
    typeof value === "number" && Number.isInteger(value) && value >= least && value <= most,
  isZero: (value) => value === 0,
  fromFlag: numberFrom,
  zero: 0,
});

export const number: FieldType = {
  instead: "a number",
  accepts: (value) => typeof value === "number",
  isZero: (value) => value === 0,
  fromFlag: numberFrom,
  zero: 0,
};

/** As Go writes them: 30s, 1h0m0s. */
export const duration: FieldType = {
  instead: "a time of 0s or more, such as 30s, 15m or 24h0m0s",
  accepts: (value) => typeof value === "string" && durationSeconds(value) !== undefined,
  isZero: (value) => typeof value === "string" && durationSeconds(value) === 0,
  fromFlag: (text) => text,
  zero: "0s",
};

/** Of modes that are not in use kube-proxy takes any. */
export const signedDuration: FieldType = {
  ...duration,
  instead: "a time such as 30s, 15m or 24h0m0s",
  accepts: (value) => typeof value === "string" && duration.accepts(value.replace(/^-/, "")),
};

/** `logging.flushFrequency` alone may be a number: nanoseconds. */
export const durationOrNanoseconds: FieldType = {
  ...duration,
  accepts: (value) => integer(0, Number.MAX_SAFE_INTEGER).accepts(value) || duration.accepts(value),
  isZero: (value) => value === 0 || duration.isZero(value),
};

/** A Kubernetes quantity, of bytes. */
export const quantity: FieldType = {
  instead: "a size such as 0, 512 or 4Ki",
  accepts: (value) => /^\d+(\.\d+)?([kMGTPE]i?|Ki|m)?$/.test(`${value}`),
  isZero: (value) => /^0+$/.test(`${value}`),
  fromFlag: (text) => text,
};

const isArrayOf = (value: unknown, isItem: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(isItem);

const isEmptyArray = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

export const texts: FieldType = {
  instead: "a list of texts",
  accepts: (value) => isArrayOf(value, (item) => typeof item === "string"),
  isZero: isEmptyArray,
  fromFlag: (text) => (text === "" ? [] : text.split(",")),
  zero: null,
};

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Feature gates; `A=true,B=false` in a flag. */
export const gates: FieldType = {
  instead: "a mapping of feature gates to true or false",
  accepts: (value) => isMapping(value) && Object.values(value).every(boolean.accepts),
  isZero: (value) => isMapping(value) && Object.keys(value).length === 0,
  fromFlag: (text) => Object.fromEntries(pairsOf(text, boolean)),
};

/** Verbosity by source file; `PATTERN=N,PATTERN=N` in a flag. */
export const verbosities: FieldType = {
  instead: "a list of filePattern and verbosity",
  accepts: (value) =>
    isArrayOf(
      value,
      (item) =>
        isMapping(item) && text.accepts(item.filePattern) && integer(0).accepts(item.verbosity),
    ),
  isZero: isEmptyArray,
  fromFlag: (text) =>
    pairsOf(text, integer(0)).map(([filePattern, verbosity]) => ({ filePattern, verbosity })),
};

function pairsOf(text: string, { fromFlag }: FieldType): (readonly [string, unknown])[] {
  return text.split(",").flatMap((pair) => {
    const [name = "", value = ""] = pair.split("=");
    return pair === "" ? [] : [[name, fromFlag(value)] as const];
  });
}
