import type { ReadinessReport } from "../../agent/serve/readiness.ts";
import type { TestNode } from "../harness/node.ts";
import { until } from "../harness/until.ts";

/** What the agent's endpoints of health say; statuses of HTTP. */
export interface Health {
  readonly livez: number;
  readonly healthz: number;
  readonly readyz: number;
  /** By the name of the check, why it fails. */
  readonly failing: Readonly<Record<string, string>>;
}

/** The bar: so soon after a fault, and after its end, the agent says so. */
export const barMs = 10_000;

/** Asks from inside the node, as kubelet and a balancer do. */
export async function healthOf(node: TestNode): Promise<Health> {
  const lines = await curl(node, "10256/livez", "10256/healthz", "10256/readyz");
  const [, livez, , healthz, body, readyz] = lines;
  const { checks }: ReadinessReport = JSON.parse(body ?? "");
  const failing = checks.filter(({ healthy }) => !healthy);
  return {
    livez: Number(livez),
    healthz: Number(healthz),
    readyz: Number(readyz),
    failing: Object.fromEntries(failing.map(({ name, reason }) => [name, reason ?? ""])),
  };
}

/** Value of the sample that begins so; NaN: there is none. */
export async function metric(node: TestNode, sample: string): Promise<number> {
  const lines = await curl(node, "10249/metrics");
  return Number(
    lines
      .find((line) => line.startsWith(`${sample} `))
      ?.split(" ")
      .at(-1),
  );
}

async function curl(node: TestNode, ...paths: readonly string[]): Promise<readonly string[]> {
  const urls = paths.map((path) => `http://127.0.0.1:${path}`);
  const flags = ["-sS", "--max-time", "5", "-w", "%{http_code}\n"];
  const { stdout, stderr, code } = await node.run("curl", [...flags, ...urls], { cgroup: false });
  if (code !== 0) throw new Error(stderr);
  return stdout.trimEnd().split("\n");
}

/**
 * Waits until exactly these checks fail, at most as long as the bar says. Meanwhile the agent must stay
 * live and the node eligible: what is programmed is served whatever happens.
 */
export async function failsOnly(node: TestNode, ...checks: readonly string[]): Promise<Health> {
  const wanted = checks.toSorted().join();
  let last: Health | undefined;
  const health = await until(
    async () => {
      last = await healthOf(node);
      return Object.keys(last.failing).toSorted().join() === wanted && last;
    },
    {
      deadlineMs: barMs,
      describe: () =>
        `the failing checks to be [${wanted}]; the agent says ${JSON.stringify(last)}`,
    },
  );
  const { livez, healthz, readyz } = health;
  const expected = { livez: 200, healthz: 200, readyz: checks.length === 0 ? 200 : 503 };
  const got = JSON.stringify({ livez, healthz, readyz });
  if (got !== JSON.stringify(expected)) throw new Error(`statuses are ${got}`);
  return health;
}
