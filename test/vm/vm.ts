import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildInitrd } from "./initrd.ts";
import { fetchKernel, type Kernel, type KernelFiles } from "./kernels.ts";

export interface Run {
  /** A root image from `buildImage`; the guest's writes do not reach it. */
  readonly image: string;
  /** The guest path of what Node runs. */
  readonly script: string;
  readonly memoryMb?: number;
  /** From the start of the emulator to its end; it is killed when this has passed. */
  readonly timeoutMs?: number;
}

export interface RunResult {
  /** Of the script. */
  readonly exitCode: number;
  /** What the script wrote, standard output and error together. */
  readonly output: string;
}

/** The guest ended without telling how its script did; the message ends with what it last said. */
export class VmError extends Error {
  override readonly name = "VmError";
  readonly code: "timeout" | "died";
  readonly kernel: string;

  constructor(code: "timeout" | "died", kernel: string, said: string) {
    super(`kernel ${kernel} in a VM: ${code}; it last said:\n${said}`);
    this.code = code;
    this.kernel = kernel;
  }
}

/** Boots a kernel under emulation, runs a script with Node as root and powers off. */
export const runInVm = async (kernel: Kernel, run: Run): Promise<RunResult> => {
  const files = await fetchKernel(kernel);
  const folder = await mkdtemp(join(tmpdir(), "sluice-vm-"));
  try {
    await writeFile(join(folder, "initrd"), await buildInitrd(files));
    const ended = await emulate(qemuArguments(files, folder, run), run.timeoutMs ?? 60_000);
    const output = await readFile(join(folder, "output"), "utf8");
    const result = /\nEXIT (\d+)\n$/.exec(output);
    if (result !== null)
      return { exitCode: Number(result[1]), output: output.slice(0, result.index) };
    const console = await readFile(join(folder, "console"), "utf8");
    throw new VmError(ended, files.release, `${console}${output} ${ended}`.slice(-4000));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const qemuArguments = (files: KernelFiles, folder: string, run: Run): readonly string[] =>
  [
    // One processor: kernels patch their own code at boot, which the emulator's other threads may
    // execute half-patched (an oops at an int3). It keeps cmpxchg16b: without that instruction
    // newer kernels allocate no socket-local storage (kmalloc_nolock).
    ["-accel", "tcg", "-cpu", "max", "-smp", "1"],
    ["-m", String(run.memoryMb ?? 1024)],
    ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ["-serial", `file:${join(folder, "console")}`, "-serial", `file:${join(folder, "output")}`],
    ["-kernel", files.vmlinuz, "-initrd", join(folder, "initrd")],
    ["-drive", `file=${run.image},format=raw,if=virtio,snapshot=on`],
    ["-append", `console=ttyS0 panic=-1 quiet loglevel=3 sluice.script=${run.script}`],
  ].flat();

const emulate = (args: readonly string[], timeoutMs: number): Promise<"timeout" | "died"> =>
  new Promise((resolve, reject) => {
    const child = spawn("qemu-system-x86_64", args, { stdio: ["ignore", "ignore", "pipe"] });
    let complaint = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint += text;
    });
    const deadline = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    child.once("error", reject);
    child.once("close", (code, signal) => {
      clearTimeout(deadline);
      if (signal === null && code !== 0) reject(new Error(`qemu-system-x86_64: ${complaint}`));
      else resolve(signal === null ? "died" : "timeout");
    });
  });
