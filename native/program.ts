import { addon, type Handle, KIND } from "./addon.ts";
import { ArgumentError, check } from "./errors.ts";
import { type OrUnknown, type ProgramType, programTypeName } from "./names.ts";
import { type OpenPinnedOptions, openPinned, pin } from "./pin.ts";

export interface ProgramInfo {
  readonly id: number;
  readonly type: OrUnknown<ProgramType>;
  /** At most 15 characters: the kernel cuts the rest. */
  readonly name: string;
  /** Hash of the instructions, 16 hexadecimal digits. */
  readonly tag: string;
  /** CLOCK_BOOTTIME at load. */
  readonly loadedAtNs: bigint;
  /** 0 unless kernel.bpf_stats_enabled is set. */
  readonly runTimeNs: bigint;
  readonly runCount: bigint;
  /** That the verifier walked through (kernel 5.16; 0 before). */
  readonly instructions: number;
  readonly mapCount: number;
}

export interface TestRunOptions {
  /** The packet; programs that take one want 14 bytes at least. */
  readonly data?: Uint8Array;
  /** The context structure, e.g. `struct __sk_buff`. */
  readonly context?: Uint8Array;
  readonly repeat?: number;
  /** BPF_F_TEST_*. */
  readonly flags?: number;
  /** Room for what comes out; 256 bytes more than `data` unless given. */
  readonly dataOutBytes?: number;
}

export interface TestRunResult {
  /** Unsigned, as the kernel gives it. */
  readonly returnValue: number;
  /** The packet after the program; empty where there was none. */
  readonly data: Uint8Array;
  readonly context: Uint8Array;
  /** Mean of the runs. */
  readonly durationNs: number;
}

/** A loaded program, through a descriptor of this process. */
export class BpfProgram {
  readonly name: string;
  readonly handle: Handle;

  constructor(handle: Handle, name?: string) {
    this.handle = handle;
    this.name = name ?? check("program.info", "program", addon.programInfo(handle)).name;
  }

  static openPinned(path: string, options?: OpenPinnedOptions): BpfProgram {
    return openPinned(KIND.program, path, options, (handle) => new BpfProgram(handle));
  }

  /** Needs CAP_SYS_ADMIN. */
  static openById(id: number): BpfProgram {
    return new BpfProgram(check("program.open", `id ${id}`, addon.openById(KIND.program, id)));
  }

  /** Asked anew each time: the run statistics grow. */
  get info(): ProgramInfo {
    const info = check("program.info", this.name, addon.programInfo(this.handle));
    return {
      ...info,
      type: programTypeName(info.type),
      tag: Buffer.from(info.tag).toString("hex"),
    };
  }

  /**
   * BPF_PROG_RUN. Not for every type of program: sock_addr programs need real sockets (ENOTSUPP).
   * With `repeat` above 1 each run sees the packet that the last one left.
   */
  testRun(options: TestRunOptions = {}): TestRunResult {
    const { data, context, repeat = 1, flags = 0 } = options;
    const dataOut = data && new Uint8Array(options.dataOutBytes ?? data.byteLength + 256);
    const contextOut = context && new Uint8Array(context.byteLength);
    const result = check(
      "program.testRun",
      this.name,
      addon.programTestRun(this.handle, data, context, dataOut, contextOut, repeat, flags),
    );
    return {
      returnValue: result.returnValue,
      data: dataOut?.subarray(0, result.dataSize) ?? new Uint8Array(0),
      context: contextOut?.subarray(0, result.contextSize) ?? new Uint8Array(0),
      durationNs: result.durationNs,
    };
  }

  pin(path: string): void {
    pin(this.handle, KIND.program, path);
  }

  /** Idempotent. Links and pins keep the program. */
  close(): void {
    this.handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The handle of what must be a program, for the functions that attach. */
export function programHandle(program: BpfProgram): Handle {
  if (!(program instanceof BpfProgram)) throw new ArgumentError("that is no BpfProgram");
  return program.handle;
}
