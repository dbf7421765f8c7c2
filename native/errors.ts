import { constants } from "node:os";

/** Codes by errno, with the two that the kernel keeps to itself. */
const CODES = new Map<number, string>([
  ...Object.entries(constants.errno).map(([code, number]) => [number, code] as const),
  [95, "EOPNOTSUPP"],
  [524, "ENOTSUPP"],
]);

const MEANINGS: Readonly<Record<string, string>> = {
  E2BIG: "it is full, or an argument is too long",
  EACCES: "permission denied",
  EBADF: "it is closed",
  EBUSY: "it is in use",
  EEXIST: "it exists already",
  EINVAL: "the kernel rejects an argument, or does not know this operation",
  ENODEV: "no such device",
  ENOENT: "not found",
  ENOMEM: "out of memory",
  ENOSPC: "no space left in it",
  ENOTSUPP: "not supported by this kernel",
  EOPNOTSUPP: "not supported by this kernel",
  EPERM: "not permitted: CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are needed",
};

export interface BpfErrorDetail {
  /** What was tried: "map.update". */
  readonly operation: string;
  /** On what: a map's or program's name, a path, an interface. */
  readonly target: string;
  /** Positive. */
  readonly errno: number;
  readonly reason?: string | undefined;
  readonly cause?: unknown;
}

/** The kernel or libbpf refused an operation. Ask the predicates below; do not match messages. */
export class BpfError extends Error {
  override readonly name: string = "BpfError";
  readonly operation: string;
  readonly target: string;
  readonly errno: number;
  /** "ENOENT" */
  readonly code: string;

  constructor({ operation, target, errno, reason, cause }: BpfErrorDetail) {
    const code = CODES.get(errno) ?? `E${errno}`;
    const meaning = reason ?? MEANINGS[code];
    super(
      `${operation} ${target}: ${code}${meaning === undefined ? "" : ` (${meaning})`}`,
      cause === undefined ? undefined : { cause },
    );
    this.operation = operation;
    this.target = target;
    this.errno = errno;
    this.code = code;
  }
}

/** A program that the verifier refused. The message has its summary, `log` has all. */
export class VerifierError extends BpfError {
  override readonly name = "VerifierError";
  readonly program: string;
  readonly log: string;
  /** The verifier's complaint, one line. */
  readonly summary: string;

  constructor(program: string, errno: number, log: string) {
    const summary = summarize(log);
    super({ operation: "program.load", target: program, errno, reason: summary });
    this.program = program;
    this.log = log;
    this.summary = summary;
  }
}

/** A batch that stopped half-way: the first `done` elements are through. */
export class BatchError extends BpfError {
  override readonly name = "BatchError";
  readonly done: number;

  constructor(detail: BpfErrorDetail, done: number) {
    super({ ...detail, reason: `after ${done} elements` });
    this.done = done;
  }
}

/** The call itself is wrong: a buffer of the wrong length, a name that is not there. */
export class ArgumentError extends TypeError {
  override readonly name = "ArgumentError";
  readonly code = "ERR_INVALID_ARG_VALUE";
}

/** The lines that close every log say what the verifier spent, not what it found. */
const STATISTICS =
  /^(processed \d+ insns|verification time|stack depth|max_states_per_insn|insns processed|mark_precise)/;

function summarize(log: string): string {
  const lines = log.split("\n").map((line) => line.trim());
  return lines.findLast((line) => line !== "" && !STATISTICS.test(line)) ?? "no reason given";
}

/** Of a native call: its result, unless that is a negative errno. */
export function check<T>(operation: string, target: string, result: T | number): T {
  if (typeof result === "number" && result < 0) {
    throw new BpfError({ operation, target, errno: -result });
  }
  return result as T;
}

const hasCode = (error: unknown, codes: readonly string[]): boolean =>
  error instanceof Error && "code" in error && codes.includes(String(error.code));

export const isNotFound = (error: unknown): boolean => hasCode(error, ["ENOENT"]);
export const isExists = (error: unknown): boolean => hasCode(error, ["EEXIST"]);
/** The map holds as many elements as it can. */
export const isFull = (error: unknown): boolean => hasCode(error, ["E2BIG", "ENOSPC"]);
/** This kernel lacks the operation. EINVAL is no such sign: ask `probe` where it could be one. */
export const isUnsupported = (error: unknown): boolean =>
  hasCode(error, ["EOPNOTSUPP", "ENOTSUPP", "ENOTSUP", "ENOSYS"]);
export const isPermission = (error: unknown): boolean => hasCode(error, ["EPERM", "EACCES"]);
export const isNoMemory = (error: unknown): boolean => hasCode(error, ["ENOMEM"]);
export const isClosed = (error: unknown): boolean => hasCode(error, ["EBADF"]);
