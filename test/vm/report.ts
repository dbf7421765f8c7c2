import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { REPORT_MARK } from "./guest/report.ts";
import { buildImage, type Files } from "./image.ts";
import type { Kernel } from "./kernels.ts";
import { runInVm } from "./vm.ts";

/** A root image and the script in it that reports by one line, which starts with `REPORT_MARK`. */
export interface ReportImage {
  readonly path: string;
  /** Its path in the guest. */
  readonly script: string;
  remove(): Promise<void>;
}

export const buildReportImage = async (script: string, files: Files): Promise<ReportImage> => {
  const folder = await mkdtemp(join(tmpdir(), "sluice-vm-"));
  const path = join(folder, "root.img");
  await buildImage(path, files);
  return { path, script, remove: () => rm(folder, { recursive: true, force: true }) };
};

/** Boots the kernel, runs the image's script and returns what it reports. */
export const reportFrom = async <Report>(kernel: Kernel, image: ReportImage): Promise<Report> => {
  const run = { image: image.path, script: image.script, timeoutMs: 180_000 };
  const { output } = await runInVm(kernel, run);
  const line = output.split("\n").find((text) => text.startsWith(REPORT_MARK));
  if (line === undefined) throw new Error(`the guest reports nothing; it wrote:\n${output}`);
  return JSON.parse(line.slice(REPORT_MARK.length));
};
