export type DatapathErrorCode =
  | "cgroup" // the cgroup path is missing or no cgroup2 directory
  | "bpffs" // the pin path is not on a bpf file system, and one could not be mounted
  | "layout" // the pinned maps were made by an agent with another layout
  | "attach" // a program cannot be attached to its hook of the cgroup
  | "permission" // a capability is missing
  | "kernel"; // the kernel lacks what the datapath cannot do without

/** The datapath could not be brought up. The message says what mends it. */
export class DatapathError extends Error {
  readonly code: DatapathErrorCode;
  readonly operation: string;
  readonly target: string;

  constructor(
    code: DatapathErrorCode,
    operation: string,
    target: string,
    message: string,
    cause?: unknown,
  ) {
    super(message, { cause });
    this.name = "DatapathError";
    this.code = code;
    this.operation = operation;
    this.target = target;
  }
}

export const isDatapathError = (error: unknown, code?: DatapathErrorCode): error is DatapathError =>
  error instanceof DatapathError && (code === undefined || error.code === code);
