import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { command } from "./command.ts";
import { buildReportImage, type ReportImage } from "./report.ts";

const root = join(import.meta.dirname, "../..");
const native = join(root, "native");

/** A root image with the bindings, the programs of their own tests and the guest's side. */
export const buildNativeImage = async (): Promise<ReportImage> => {
  await command("make", ["-s", "-C", join(native, "test")]);
  const folder = await mkdtemp(join(tmpdir(), "sluice-vm-"));
  try {
    // The bindings are found by their package's name, and under node_modules no types are stripped.
    return await buildReportImage("/native/main.mjs", {
      "/native/main.mjs": await bundle(join(folder, "main.mjs")),
      "/native/libbpf_ts.node": join(native, "build/libbpf_ts.node"),
      "/native/everything.bpf.o": join(native, "test/build/everything.bpf.o"),
      "/native/refused.bpf.o": join(native, "test/build/refused.bpf.o"),
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const bundle = async (outfile: string): Promise<string> => {
  const entryPoints = [join(root, "test/vm/guest/native/main.ts")];
  const options = { bundle: true, platform: "node", target: "node24", format: "esm" } as const;
  await build({ entryPoints, outfile, ...options });
  return outfile;
};
