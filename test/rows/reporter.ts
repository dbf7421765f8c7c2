import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { Reporter, TestModule, TestSpecification, Vitest } from "vitest/node";
import { kubeProxyRows } from "./kube_proxy.ts";
import { pitfallRows } from "./pitfalls.ts";
import { prove, type RanTest, unknownRows, unproved } from "./proof.ts";
import type { Row } from "./row.ts";
import { summary, table } from "./table.ts";

export interface RowsReporterOptions {
  /** A run of all tests of these is whole. */
  readonly projects: readonly string[];
  readonly kubeProxy?: readonly Row[];
  readonly pitfalls?: readonly Row[];
  readonly output?: string;
}

const built = join(import.meta.dirname, "../build/rows.md");

/**
 * Holds a whole run against the rows: writes which tests prove which row, and ends with what no
 * test proves. A run of some tests is held to naming rows that there are.
 */
export class RowsReporter implements Reporter {
  readonly #options: RowsReporterOptions;
  #vitest: Vitest | undefined;
  #isWhole = false;
  /** What the run fails for, besides its tests. */
  faults: readonly string[] = [];

  constructor(options: RowsReporterOptions) {
    this.#options = options;
  }

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  async onTestRunStart(specifications: readonly TestSpecification[]): Promise<void> {
    const { projects } = this.#options;
    const all = (await this.#vitest?.globTestSpecifications()) ?? [];
    const ran = new Set(specifications.map(({ project }) => project.name));
    this.#isWhole =
      specifications.length === all.length &&
      projects.every((name) => ran.has(name)) &&
      this.#vitest?.config.testNamePattern === undefined;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const { kubeProxy = kubeProxyRows, pitfalls = pitfallRows, output = built } = this.#options;
    const tests = modules.flatMap(testsOf);
    const unknown = unknownRows([...kubeProxy, ...pitfalls], tests);
    this.faults = unknown;
    if (this.#isWhole) {
      const [ours, others] = [prove(kubeProxy, tests), prove(pitfalls, tests)];
      this.faults = [...unknown, ...unproved(ours)];
      mkdirSync(dirname(output), { recursive: true });
      writeFileSync(output, table([...ours, ...others]));
      console.log(summary("kube-proxy's behaviours", ours));
      console.log(summary("faults of others", others));
      console.log(`which tests prove which: ${relative(process.cwd(), output)}`);
    }
    for (const fault of this.faults) console.error(fault);
    if (this.faults.length > 0) process.exitCode = 1;
  }
}

const testsOf = (module: TestModule): readonly RanTest[] =>
  [...module.children.allTests()].map((test) => ({
    name: test.fullName,
    file: module.relativeModuleId,
    state: test.result().state,
  }));
