export type CompileProblemCode =
  | "no-ports"
  | "invalid-port"
  | "duplicate-port"
  | "invalid-cluster-ip"
  | "invalid-external-ip"
  | "invalid-source-range"
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

/** Keeps one of equal problems, since a slice is read once for each port of its Service. */
export class ProblemList {
  readonly #problems = new Map<string, CompileProblem>();

  readonly report: Report = (code, target, message) => {
    this.#problems.set(`${target}: ${message}`, { code, target, message });
  };

  list(): readonly CompileProblem[] {
    return [...this.#problems.values()];
  }
}
