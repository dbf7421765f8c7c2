import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildImage } from "./image.ts";
import { chosenKernels } from "./kernels.ts";
import { runInVm } from "./vm.ts";

const SCRIPTS = {
  "fail.mjs": `
    console.log(process.getuid());
    console.error("to standard error");
    process.exit(3);
  `,
  "hang.mjs": `
    console.log("hanging");
    setInterval(() => {}, 1000);
  `,
  "panic.mjs": `
    import { writeFileSync } from "node:fs";
    writeFileSync("/proc/sysrq-trigger", "c");
  `,
};

describe("a guest", () => {
  const kernel = chosenKernels()[0]!;
  let folder: string;
  let image: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sluice-vm-test-"));
    image = join(folder, "root.img");
    for (const [name, text] of Object.entries(SCRIPTS)) await writeFile(join(folder, name), text);
    const guestPaths = Object.keys(SCRIPTS).map((name) => [`/test/${name}`, join(folder, name)]);
    await buildImage(image, Object.fromEntries(guestPaths));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("runs a script as root and returns its exit code and all that it wrote", async () => {
    const result = await runInVm(kernel, { image, script: "/test/fail.mjs" });
    expect(result).toEqual({ exitCode: 3, output: "0\nto standard error\n" });
  });

  it("is killed at its deadline, and the error carries what it said until then", async () => {
    const run = { image, script: "/test/hang.mjs", timeoutMs: 10_000 };
    await expect(runInVm(kernel, run)).rejects.toMatchObject({
      code: "timeout",
      message: expect.stringContaining("hanging"),
    });
  });

  it("that panics is an error with the kernel's last words", async () => {
    await expect(runInVm(kernel, { image, script: "/test/panic.mjs" })).rejects.toMatchObject({
      code: "died",
      message: expect.stringContaining("sysrq triggered crash"),
    });
  });
});
