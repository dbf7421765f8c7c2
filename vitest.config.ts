import { defineConfig } from "vitest/config";

const project = (name: string, include: readonly string[], serial: boolean) => ({
  test: {
    name,
    include: [...include],
    pool: "forks" as const,
    fileParallelism: !serial,
    testTimeout: serial ? 60_000 : 20_000,
    hookTimeout: 120_000,
  },
});

export default defineConfig({
  test: {
    reporters: [
      "default",
      ["./test/closing_line.ts", { projects: ["unit", "native", "kernel", "e2e"] }],
    ],
    projects: [
      project(
        "unit",
        ["test/{model,compile,reconcile,sources,network,probe,serve,events,cli,rows}/**/*.test.ts"],
        false,
      ),
      project("native", ["native/test/**/*.test.ts"], true),
      project("kernel", ["test/{bpf,datapath,packets}/**/*.test.ts"], true),
      project("e2e", ["test/{e2e,manifests,parity}/**/*.test.ts"], true),
      project("vm", ["test/vm/**/*.test.ts"], true),
    ],
  },
});
