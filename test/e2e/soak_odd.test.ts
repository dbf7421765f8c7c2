import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readPinned } from "../../agent/datapath/pinned.ts";
import type { Resource } from "../../agent/model/event.ts";
import { attempt } from "../harness/load.ts";
import { until } from "../harness/until.ts";
import { Chance } from "./soak_random.ts";
import { Soak, SoakNode } from "./soak_stage.ts";

let stage: SoakNode;
let soak: Soak;
beforeAll(async () => {
  stage = await SoakNode.create();
});
afterAll(() => stage?.[Symbol.asyncDispose]());
beforeEach(async () => {
  soak = await Soak.start(stage, new Chance(1), 1);
});
afterEach(() => soak?.[Symbol.asyncDispose]());

const service = (name: string, clusterIP: string, ports: readonly object[] = [{ port: 80 }]) => ({
  metadata: { namespace: "default", name },
  spec: { clusterIP, ports },
});

const slice = (
  owner: string,
  endpoints: readonly string[],
  ports: readonly object[] = [{ name: "", port: 8080 }],
  name = `${owner.slice(0, 50)}-1`,
) => ({
  metadata: { namespace: "default", name, labels: { "kubernetes.io/service-name": owner } },
  addressType: "IPv4",
  ports,
  endpoints: endpoints.map((address) => ({ addresses: [address] })),
});

const addresses = (count: number) =>
  Array.from({ length: count }, (_, i) => `10.98.${i >> 8}.${i & 255}`);

/** "ADDRESS:PORT: N endpoints" of each Service port of one family. */
const published = () =>
  readPinned(soak.agent.pinPath).flatMap(({ frontends, cluster }) =>
    frontends.map(({ address, port }) => `${address}:${port} ${cluster.length}`),
  );

async function publishes(...lines: readonly string[]): Promise<void> {
  let last: readonly string[] = [];
  await until(
    () => {
      last = published();
      return lines.every((line) => last.includes(line)) || soak.agent.failure !== undefined;
    },
    { deadlineMs: 20_000, describe: () => `${lines}; it is ${last}; ${soak.agent.log}` },
  );
  expect(soak.agent.failure).toBeUndefined();
}

const say = (resource: Resource, type: string, object: unknown) =>
  soak.server.write(resource, `${JSON.stringify({ type, object })}\n`);

describe("an API server that is not as it should be", () => {
  it("may send objects that are none, events of nobody and versions that go back (PF-03)", async () => {
    const { server } = soak;
    await until(() => server.watching("services") && server.watching("endpointslices"), {
      deadlineMs: 5_000,
      describe: "the watches",
    });
    for (const resource of ["services", "endpointslices", "nodes"] as const) {
      for (const object of [
        undefined,
        null,
        [],
        7,
        "x",
        {},
        { metadata: null },
        { metadata: [] },
      ]) {
        for (const type of ["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "NEWS"]) {
          say(resource, type, object);
        }
      }
      say(resource, "DELETED", { metadata: { namespace: "default", name: "nobody" } });
      soak.server.write(resource, "\n\r\nnull\n[]\n7\n");
    }
    server.put("services", service("web", "10.96.7.1"));
    server.put("endpointslices", slice("web", [stage.pods[0]!.ip4]));
    await publishes("10.96.7.1:80 1");
    const again = { ...service("web", "10.96.7.2") };
    for (const resourceVersion of ["900", "5", "5", "", "0", "4"]) {
      say("services", "ADDED", { ...again, metadata: { ...again.metadata, resourceVersion } });
    }
    await publishes("10.96.7.2:80 1");
    for (let i = 0; i < 20_000; i++) server.bookmark();
    server.put("services", service("late", "10.96.7.3"));
    server.put("services", service("late", "10.96.7.3"));
    await publishes("10.96.7.3:80 0", "10.96.7.2:80 1");
    expect(published()).toHaveLength(2);
    const target = { protocol: "tcp", address: "10.96.7.2", port: 80 } as const;
    expect(await attempt(stage.client, target)).toMatchObject([{ ok: true, backend: "p0" }]);
  }, 60_000);

  it("may hold names that no Kubernetes allows, also over a restart (PF-02)", async () => {
    const { server } = soak;
    const names = ["n".repeat(253), `${"n".repeat(252)}m`, "ünïcödé-名前-🦀", "a:b", "#7", "x\ny"];
    const ports = [
      { name: `${"p".repeat(63)}1`, port: 1 },
      { name: `${"p".repeat(63)}2`, port: 2 },
    ];
    for (const [i, name] of names.entries()) {
      server.put("services", service(name, `10.96.8.${i}`, ports));
      server.put("endpointslices", slice(name, ["10.98.0.1"], ports, `s-${i}`));
    }
    const expected = names.flatMap((_, i) => [`10.96.8.${i}:1 1`, `10.96.8.${i}:2 1`]);
    await publishes(...expected);
    await soak.agent.kill();
    server.delete("services", service(names[0]!, "10.96.8.0"));
    soak.agent.launch();
    await soak.agent.ready();
    await publishes(...expected.slice(2));
    expect(published().toSorted()).toEqual(expected.slice(2).toSorted());
  }, 60_000);

  it("may hold a Service of 1,000 ports and one of 5,000 endpoints in 50 slices", async () => {
    const { server } = soak;
    const ports = Array.from({ length: 1000 }, (_, i) => ({ name: `p${i}`, port: 1 + i }));
    let started = performance.now();
    server.put("services", service("wide", "10.96.9.1", ports));
    server.put("endpointslices", slice("wide", addresses(10), ports));
    await publishes("10.96.9.1:1 10", "10.96.9.1:1000 10");
    console.log(`1,000 ports of 10 endpoints: ${Math.round(performance.now() - started)} ms`);
    started = performance.now();
    server.put("services", service("deep", "10.96.9.2"));
    for (let i = 0; i < 50; i++) {
      const part = addresses(5000).slice(i * 100, i * 100 + 100);
      server.put("endpointslices", slice("deep", part, undefined, `deep-${i}`));
    }
    await publishes("10.96.9.2:80 5000");
    console.log(`5,000 endpoints in 50 slices: ${Math.round(performance.now() - started)} ms`);
    expect((await soak.agent.status()).failures).toEqual([]);
  }, 60_000);
});
