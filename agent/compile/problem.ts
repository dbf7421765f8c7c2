export type CompileProblemCode =
  | "no-ports"
  | "sctp-unsupported"
  | "invalid-port"
  | "duplicate-port"
  | "invalid-cluster-ip"
  | "invalid-endpoint";

/** A part of a Service that cannot be programmed as it was asked for. The rest is. */
export interface CompileProblem {
  readonly code: CompileProblemCode;
  /** The object to mend, for example "EndpointSlice default/web-x7k2p". */
  readonly target: string;
  /** One sentence: what is wrong with the target and what mends it. */
  readonly message: string;
}

export type Report = (code: CompileProblemCode, target: string, message: string) => void;

/** Keeps the first of equal problems, since a slice is read once for each port of its Service. */
export class ProblemList {
  readonly #problems = new Map<string, CompileProblem>();

  readonly report: Report = (code, target, message) => {
    const key = `${target}: ${message}`;
    if (!this.#problems.has(key)) this.#problems.set(key, { code, target, message });
  };

  list(): readonly CompileProblem[] {
    return [...this.#problems.values()];
  }
}
