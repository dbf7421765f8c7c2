import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EndpointSpec } from "../datapath/manifests.ts";
import type { TestPod } from "../harness/pod.ts";
import { BalancedLoad } from "./balanced_load.ts";
import { exposed, NorthSouth } from "./north_south.ts";

interface Replica {
  readonly pod: TestPod;
  readonly node: "a" | "b";
}

describe("a rolling update under externalTrafficPolicy Local", () => {
  const healthCheckNodePort = 32_001;
  let stage: NorthSouth;
  let load: BalancedLoad;
  let replicas: readonly Replica[];
  let made = 0;

  beforeAll(async () => {
    stage = await NorthSouth.start({ agents: 2 });
    replicas = [await start("a"), await start("b")];
    await publish(replicas);
    const nodes = [stage.nodes.a.ip4, stage.nodes.b.ip4];
    load = await BalancedLoad.start(stage.client, { healthCheckNodePort, nodePort: 30_001, nodes });
  });
  afterAll(() => stage?.[Symbol.asyncDispose]());

  const nodesOf = (some: readonly Replica[]): ReadonlySet<string> =>
    new Set(some.map(({ node }) => stage.nodes[node].ip4));

  async function start(node: "a" | "b"): Promise<Replica> {
    return { pod: await stage.pod(stage.nodes[node], `web-${made++}`), node };
  }

  async function publish(ready: readonly Replica[], leaving: readonly Replica[] = []) {
    const endpoints: readonly EndpointSpec[] = [
      ...ready.map(({ pod, node }) => ({ pod, nodeName: node })),
      ...leaving.map(({ pod, node }) => ({
        ...{ pod, nodeName: node },
        ...{ ready: false, serving: true, terminating: true },
      })),
    ];
    const policy = { externalTrafficPolicy: "Local", healthCheckNodePort } as const;
    await stage.publish(exposed("web", 1, { endpoints, ...policy }));
  }

  /**
   * As a Deployment does it: new pods become ready, and the balancer notices; old ones terminate,
   * still serve what comes until it has noticed that too, and end.
   */
  async function roll(nodes: readonly ("a" | "b")[]): Promise<void> {
    const next = await Promise.all(nodes.map(start));
    const old = replicas;
    await publish([...old, ...next]);
    await load.asks(...nodesOf([...old, ...next]));
    await publish(next, old);
    await load.isAnsweredBy(...next.map(({ pod }) => pod.name));
    await load.asks(...nodesOf(next));
    for (const { pod } of old) await pod[Symbol.asyncDispose]();
    await publish(next);
    replicas = next;
  }

  it("fails no request, although whole nodes lose their last endpoint (KP-13, KP-40, PF-47)", async () => {
    await roll(["b", "b"]);
    await roll(["a", "a"]);
    await roll(["a", "b"]);
    await roll(["a", "b"]);
    await load.stop();
    const { requests, failures } = load;
    console.log(`B3: ${requests.length} requests over 4 rollouts, ${failures.length} failed`);
    expect(failures).toEqual([]);
    expect(requests.length).toBeGreaterThan(500);
  });
});
