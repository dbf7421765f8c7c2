import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { command } from "./command.ts";
import { REPORT_MARK, type Report } from "./guest/report.ts";
import { buildImage } from "./image.ts";
import type { Kernel } from "./kernels.ts";
import { runInVm } from "./vm.ts";

const root = join(import.meta.dirname, "../..");

/** A root image with the agent as it ships and the guest's side of these tests. */
export interface DatapathImage {
  readonly path: string;
  remove(): Promise<void>;
}

export const buildDatapathImage = async (): Promise<DatapathImage> => {
  await command(process.execPath, [join(root, "agent/bundle.ts")]);
  const folder = await mkdtemp(join(tmpdir(), "sluice-vm-"));
  const path = join(folder, "root.img");
  await buildImage(path, {
    "/sluice/test/vm/guest": join(root, "test/vm/guest"),
    "/sluice/test/harness/until.ts": join(root, "test/harness/until.ts"),
    "/sluice/dist": join(root, "dist"),
  });
  return { path, remove: () => rm(folder, { recursive: true, force: true }) };
};

/** Boots the kernel, runs the guest's side and returns what it reports. */
export const reportFrom = async (kernel: Kernel, image: DatapathImage): Promise<Report> => {
  const script = "/sluice/test/vm/guest/main.ts";
  const { output } = await runInVm(kernel, { image: image.path, script, timeoutMs: 90_000 });
  const line = output.split("\n").find((text) => text.startsWith(REPORT_MARK));
  if (line === undefined) throw new Error(`the guest reports nothing; it wrote:\n${output}`);
  return JSON.parse(line.slice(REPORT_MARK.length));
};
