import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EndpointSpec } from "../datapath/manifests.ts";
import type { TestClient } from "../harness/client.ts";
import { type Attempt, attempt, type LoadOptions } from "../harness/load.ts";
import type { TestPod } from "../harness/pod.ts";
import { serve } from "../harness/serve.ts";
import { until } from "../harness/until.ts";
import { startKeptLoad } from "./kept_load.ts";
import {
  addressesOf,
  exposed,
  families,
  NorthSouth,
  protocols,
  serverPorts,
} from "./north_south.ts";

const outcomeOf = (each: Attempt): string => (each.ok ? each.backend : each.errno);

describe("what comes from outside", () => {
  let stage: NorthSouth;
  let stranger: TestClient;
  let pods: readonly [TestPod, TestPod, TestPod];
  let endpoints: readonly EndpointSpec[];

  beforeAll(async () => {
    stage = await NorthSouth.start({ agents: 2 });
    stranger = await stage.network.makeClient("stranger");
    const { a, b } = stage.nodes;
    pods = [await stage.pod(a, "a-0"), await stage.pod(a, "a-1"), await stage.pod(b, "b-0")];
    endpoints = pods.map((pod, index) => ({ pod, nodeName: index < 2 ? "a" : "b" }));
  });
  afterAll(() => stage?.[Symbol.asyncDispose]());

  const nodePort = (n: number) =>
    families.map((family) => stage.nodes.a[family]).map(at(30_000 + n));
  const vip = (n: number) => families.map((each) => addressesOf(n, each).balancer).map(at(80));
  const externalIp = (n: number) =>
    families.map((each) => addressesOf(n, each).external).map(at(80));
  const clusterIp = (n: number) => families.map((each) => addressesOf(n, each).cluster).map(at(80));

  const at = (port: number) => (address: string) => ({ address, port });

  /** One attempt of each protocol at each place, all at once: backends and errnos. */
  async function ask(
    from: TestClient,
    places: readonly { readonly address: string; readonly port: number }[],
    options: LoadOptions = {},
  ): Promise<readonly string[]> {
    const ways = places.flatMap((place) => protocols.map((protocol) => ({ protocol, ...place })));
    const outcomes = await Promise.all(ways.map((to) => attempt(from, to, options)));
    return outcomes.map(([first]) => (first === undefined ? "nothing" : outcomeOf(first)));
  }

  const four = (outcome: string) => Array.from({ length: 4 }, () => outcome);

  it("is spread over all endpoints, and over those of the node under Local (KP-12, KP-13)", async () => {
    await stage.publish(exposed("cluster", 1, { endpoints }));
    await stage.publish(exposed("local", 2, { endpoints, externalTrafficPolicy: "Local" }));
    for (const protocol of protocols) {
      for (const [index, expected] of [
        ["a-0", "a-1", "b-0"],
        ["a-0", "a-1"],
      ].entries()) {
        const seen = new Set<string>();
        for (const place of nodePort(1 + index)) {
          const attempts = await attempt(stage.client, { protocol, ...place }, { count: 60 });
          for (const each of attempts) seen.add(outcomeOf(each));
        }
        expect([...seen].sort()).toEqual(expected);
      }
    }
  });

  it("reaches a pod by any node, from any network, and it sees who stood in (KP-21, KP-25)", async () => {
    const { a, b, c } = stage.nodes;
    await stage.publish(exposed("by-any", 13, { endpoints: endpoints.slice(0, 1) }));
    const seen = [];
    for (const family of families) {
      for (const protocol of protocols) {
        for (const [from, by] of [
          [stage.client, b],
          [c, a],
          [c, b],
        ] as const) {
          const to = { protocol, address: by[family], port: 30_013 };
          seen.push(...(await attempt(from, to)));
        }
      }
    }
    const answers = (...clients: readonly string[]) =>
      clients.map((client) => ({ ok: true, backend: "a-0", client }));
    expect(seen).toMatchObject([
      ...answers("172.30.0.2", "172.30.0.3", "172.30.0.2"),
      ...answers("172.30.0.2", "172.30.0.3", "172.30.0.2"),
      ...answers("fd00:172:30::2", "fd00:172:30::3", "fd00:172:30::2"),
      ...answers("fd00:172:30::2", "fd00:172:30::3", "fd00:172:30::2"),
    ]);
  });

  it("stays with one endpoint under session affinity, whatever the address asked (KP-28)", async () => {
    const bound = Array.from({ length: 12 }, (_, index) => ({ nodeName: "a", index }));
    const many = await Promise.all(
      bound.map(({ index }) => stage.pod(stage.nodes.a, `s-${index}`)),
    );
    const spread = many.map((pod) => ({ pod, nodeName: "a" }));
    await stage.publish(exposed("bound", 3, { endpoints: spread, affinitySeconds: 600 }));
    for (const protocol of protocols) {
      const places = [...nodePort(3), ...vip(3)];
      const seen: string[][] = [];
      for (const place of places) {
        const attempts = await attempt(stage.client, { protocol, ...place }, { count: 10 });
        seen.push([...new Set(attempts.map(outcomeOf))]);
      }
      // NodePort and VIP agree, within a family: the client has an address in each.
      expect(seen[0]).toHaveLength(1);
      expect(seen[2]).toEqual(seen[0]);
      expect(seen[1]).toHaveLength(1);
      expect(seen[3]).toEqual(seen[1]);
    }
  });

  it("is refused where a Service has no endpoint, at every address and port (KP-14)", async () => {
    await stage.publish(exposed("empty", 4, { endpoints: [] }));
    for (const places of [nodePort(4), vip(4), externalIp(4)]) {
      expect(await ask(stage.client, places)).toEqual(four("ECONNREFUSED"));
    }
  });

  it("is refused at a port of a VIP that nobody serves (KP-31, PF-30)", async () => {
    await stage.publish(exposed("served", 5, { endpoints }));
    for (const places of [vip(5), externalIp(5)]) {
      const elsewhere = places.map(({ address }) => ({ address, port: 81 }));
      expect(await ask(stage.client, elsewhere)).toEqual(four("ECONNREFUSED"));
    }
  });

  it("reaches the node itself at every port of its own (PF-30)", async () => {
    const server = await serve(stage.nodes.a, { tcp: [2222, 31_999], udp: [2222, 31_999] });
    const own = families.map((family) => stage.nodes.a[family]);
    expect(await ask(stage.client, own.map(at(2222)))).toEqual(four("a"));
    expect(await ask(stage.client, own.map(at(31_999)))).toEqual(four("a"));
    await server.stop("SIGKILL");
  });

  it("is dropped at a balancer's address outside of its source ranges, there only (KP-24)", async () => {
    const sourceRanges = [`${stage.client.ip4}/32`, "fd00:192:168:1::/64"];
    await stage.publish(exposed("ranges", 6, { endpoints: endpoints.slice(0, 1), sourceRanges }));
    const quick = { timeoutMs: 300 };
    expect(await ask(stage.client, vip(6))).toEqual(four("a-0"));
    expect(await ask(stranger, vip(6), quick)).toEqual(four("ETIMEDOUT"));
    expect(await ask(stranger, nodePort(6))).toEqual(four("a-0"));
    expect(await ask(stranger, externalIp(6))).toEqual(four("a-0"));
  });

  it("finds no Service at a ClusterIP", async () => {
    for (const range of ["10.96.0.0/16", "fd00:96::/64"]) {
      await stage.network.routeTo(range, stage.nodes.a);
    }
    const outcomes = await ask(stage.client, clusterIp(1), { timeoutMs: 500 });
    expect(outcomes.filter((each) => ["a-0", "a-1", "b-0"].includes(each))).toEqual([]);
  });

  it("reaches a server of the host network, on the node and on another", async () => {
    const { a, b } = stage.nodes;
    for (const [index, node] of [a, b].entries()) {
      const server = await serve(node, serverPorts);
      const n = 7 + index;
      const hostEndpoints = [{ pod: node, nodeName: node.name }];
      await stage.publish(exposed(`host-${node.name}`, n, { endpoints: hostEndpoints }));
      expect(await ask(stage.client, nodePort(n))).toEqual(four(node.name));
      expect(await ask(stage.client, vip(n))).toEqual(four(node.name));
      await server.stop("SIGKILL");
    }
  });

  it("learns by ICMP that no process has the port at the backend", async () => {
    for (const [index, endpoint] of [endpoints[0]!, endpoints[2]!].entries()) {
      const { ports, ...rest } = exposed(`closed-${index}`, 9 + index, { endpoints: [endpoint] });
      await stage.publish({ ...rest, ports: ports.map((port) => ({ ...port, targetPort: 9999 })) });
      for (const places of [nodePort(9 + index), vip(9 + index)]) {
        expect(await ask(stage.client, places)).toEqual(four("ECONNREFUSED"));
      }
    }
  });

  it("leaves an endpoint that goes: UDP at once, TCP when it is done (KP-70, PF-24)", async () => {
    for (const [index, going] of [0, 2].entries()) {
      const n = 11 + index;
      const left = endpoints[1]!;
      const old = endpoints[going]!;
      await stage.publish(exposed(`moving-${index}`, n, { endpoints: [old] }));
      const loads = await Promise.all(
        nodePort(n).flatMap((place) =>
          protocols.map(async (protocol) => ({
            protocol,
            ...(await startKeptLoad(stage.client, { protocol, ...place })),
          })),
        ),
      );
      await stage.publish(exposed(`moving-${index}`, n, { endpoints: [left] }));
      for (const { load, protocol } of loads) {
        const wanted = protocol === "udp" ? left.pod : old.pod;
        const made = load.attempts.length;
        await until(() => load.attempts.length > made + 50, {
          deadlineMs: 10_000,
          describe: "fifty more exchanges",
        });
        const { name } = wanted as TestPod;
        expect(outcomeOf(load.attempts.at(-1)!)).toBe(name);
        expect((await load.stop()).failed).toBe(0);
      }
    }
  });
});
