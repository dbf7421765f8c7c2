import { isDeepStrictEqual } from "node:util";
import { NetworkingV1Api, type V1Service } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestAgent } from "../harness/agent.ts";
import { Cluster } from "../harness/cluster.ts";
import type { Deployment } from "../harness/deployment.ts";
import { startLoad, type Target } from "../harness/load.ts";
import type { TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";
import { type GatedAgent, startGatedAgent } from "./gated_agent.ts";
import { movesTo, startKeptLoad, startKeptLoadOn } from "./kept_load.ts";
import { answersFrom, reaches, waysTo } from "./reach.ts";

const containerPorts = [
  { name: "web", port: 8080 },
  { name: "web-next", port: 9090 },
  { name: "dns", port: 8080, protocol: "UDP" },
] as const;

const tcp = { name: "web", protocol: "TCP", port: 80, targetPort: "web" };
const udp = { name: "dns", protocol: "UDP", port: 80, targetPort: "dns" };

const addressesOf = ({ spec }: V1Service): readonly string[] => spec?.clusterIPs ?? [];

let cluster: Cluster;
let gated: GatedAgent;
let agent: TestAgent;
let client: TestPod;

beforeAll(async () => {
  cluster = await Cluster.start();
  const a = await cluster.addNode("a");
  await cluster.addNode("b");
  client = await a.makePod("client");
  gated = await startGatedAgent(cluster, a);
  agent = gated.agent;
});
afterAll(async () => {
  await gated?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

const createService = (name: string, spec: V1Service["spec"] = {}): Promise<V1Service> =>
  cluster.api.createService(name, {
    selector: { app: name },
    ports: [tcp, udp],
    ipFamilyPolicy: "PreferDualStack",
    ...spec,
  });

const startPods = (name: string, replicas: number): Promise<Deployment> =>
  cluster.deployment(name, { replicas, ports: containerPorts });

/** A Service of both families with pods on both nodes, that answers every way. */
async function serve(name: string, replicas = 2, spec: V1Service["spec"] = {}) {
  const [service, pods] = await Promise.all([createService(name, spec), startPods(name, replicas)]);
  const addresses = addressesOf(service);
  const ways = waysTo(addresses, 80);
  await reaches(client, ways, ...pods.pods.map((pod) => pod.name));
  return { pods, addresses, ways };
}

/** Runs without a pause until `during` has ended; no attempt may have failed. */
async function unbroken(targets: readonly Target[], during: () => Promise<void>): Promise<void> {
  const loads = await Promise.all(
    targets.map((to) => startLoad(client, to, { gapUs: 2_000, timeoutMs: 5_000, summary: true })),
  );
  await during();
  const summaries = await Promise.all(loads.map((load) => load.stop()));
  for (const { errors, ok } of summaries) {
    expect(errors).toEqual({});
    expect(ok).toBeGreaterThan(10);
  }
}

describe("a Service of the API server", () => {
  it("is reached by its ClusterIPs over both families, TCP and UDP on one port number (KP-02, KP-33)", async () => {
    const { addresses } = await serve("plain");
    expect(addresses).toEqual([
      expect.stringMatching(/^10\.96\./),
      expect.stringMatching(/^fd00:96::/),
    ]);
    const load = await startLoad(client, { protocol: "tcp", address: addresses[0]!, port: 80 });
    await until(() => load.attempts.length > 0, { deadlineMs: 5_000, describe: "an attempt" });
    await load.stop();
    expect(load.attempts[0]).toMatchObject({ ok: true, peer: `${addresses[0]}:80` });
    expect(load.attempts[0]).toMatchObject({ client: client.ip4 });
  });

  it("spreads over what it is scaled to, and sends nothing to what is gone, without one failure", async () => {
    const { pods, ways } = await serve("scaled");
    await unbroken(ways, async () => {
      await pods.scale(4);
      await reaches(client, ways, "scaled-0", "scaled-1", "scaled-2", "scaled-3");
      await pods.scale(1, () => reaches(client, ways, "scaled-3"));
      await reaches(client, ways, "scaled-3");
    });
  });

  it("follows the readiness of its pods, and refuses while none is ready (KP-12, PF-25)", async () => {
    const { pods, ways } = await serve("ready");
    const [first, second] = pods.pods;
    await first!.setReady(false);
    await reaches(client, ways, "ready-1");
    await second!.setReady(false);
    await reaches(client, ways, "ECONNREFUSED");
    await first!.setReady(true);
    await reaches(client, ways, "ready-0");
  });

  it("moves UDP off a terminating pod and lets TCP drain there (KP-70, PF-20, PF-24)", async () => {
    const { addresses, pods, ways } = await serve("drained");
    const to = { address: addresses[0]!, port: 80 };
    const stream = await startKeptLoad(client, { protocol: "tcp", ...to });
    const leaving = stream.backend;
    const staying = pods.pods.find(({ name }) => name !== leaving)!.name;
    const connected = await startKeptLoadOn(leaving, client, { protocol: "udp", ...to });
    const unconnected = await startKeptLoadOn(
      leaving,
      client,
      { protocol: "udp", ...to },
      { unconnected: true },
    );

    await pods.pods.find(({ name }) => name === leaving)!.terminate();
    await reaches(client, ways, staying);
    await movesTo(connected, staying);
    await movesTo(unconnected, staying);
    const streamed = stream.load.attempts.length;
    await until(() => stream.load.attempts.length > streamed + 50, {
      deadlineMs: 10_000,
      describe: "the TCP connection to go on",
    });
    const { failed, backends } = await stream.load.stop();
    expect({ failed, backends: Object.keys(backends) }).toEqual({ failed: 0, backends: [leaving] });
    // A connected socket is told once, at its next call; then its owner connects anew.
    const { errors } = await connected.stop();
    expect([{ EDESTADDRREQ: 1 }, { ECONNABORTED: 1 }]).toContainEqual(errors);
    expect((await unconnected.stop()).errors).toEqual({});
    expect((await agent.status()).sync.staleSocketsDestroyed).toBeGreaterThan(0);
  });

  it("falls back to pods that terminate and still serve when no other is left (KP-12)", async () => {
    const { pods, ways } = await serve("fallback");
    await unbroken(ways, async () => {
      await pods.pods[0]!.terminate();
      await reaches(client, ways, "fallback-1");
      await pods.pods[1]!.terminate();
      await reaches(client, ways, "fallback-0", "fallback-1");
    });
    await pods.remove();
    await reaches(client, ways, "ECONNREFUSED");
  });

  it("is refused once deleted, and answers again when made anew with its address (KP-31, KP-34)", async () => {
    const { addresses, ways } = await serve("remade");
    await cluster.api.deleteService("remade");
    await reaches(client, ways, "ECONNREFUSED");
    await createService("remade", { clusterIP: addresses[0]!, clusterIPs: [...addresses] });
    await reaches(client, ways, "remade-0", "remade-1");
  });

  it("gives its address to another Service at once (KP-34)", async () => {
    const { addresses, ways } = await serve("former", 1);
    await startPods("latter", 1);
    await cluster.api.deleteService("former");
    await createService("latter", { clusterIP: addresses[0]!, clusterIPs: [...addresses] });
    await reaches(client, ways, "latter-0");
  });

  it("changes its type both ways, and its ClusterIP answers whenever it has one (KP-34)", async () => {
    const { addresses, ways } = await serve("typed");
    const [clusterIP] = addresses;
    await unbroken(ways, async () => {
      for (const [index, type] of ["NodePort", "LoadBalancer", "ClusterIP"].entries()) {
        // A port that comes with the change shows when it has been taken in.
        const sign = { name: "sign", protocol: "TCP", port: 1_000 + index, targetPort: 8080 };
        await cluster.api.patchService("typed", { spec: { type, ports: [tcp, udp, sign] } });
        const [way] = waysTo(addresses, sign.port);
        await reaches(client, [way!, ...ways], "typed-0", "typed-1");
      }
    });
    await cluster.api.patchService("typed", {
      spec: { type: "ExternalName", externalName: "example.org" },
    });
    await reaches(client, ways, "ECONNREFUSED");
    const spec = { type: "ClusterIP", externalName: null, ipFamilyPolicy: "PreferDualStack" };
    await cluster.api.patchService("typed", {
      spec: { ...spec, clusterIP, clusterIPs: addresses },
    });
    await reaches(client, ways, "typed-0", "typed-1");
  });

  it("follows ports that are added, renumbered, retargeted and removed (KP-31, KP-33, KP-34)", async () => {
    const { addresses, ways } = await serve("ports");
    const setPorts = (...ports: readonly object[]) =>
      cluster.api.patchService("ports", { spec: { ports } });
    const only = (protocol: Target["protocol"], port: number) =>
      waysTo(addresses, port).filter((way) => way.protocol === protocol);
    const next = { name: "next", protocol: "TCP", port: 81, targetPort: 9090 };

    await unbroken(ways, async () => {
      await setPorts(tcp, udp, next);
      await reaches(client, only("tcp", 81), "ports-0", "ports-1");
      await reaches(client, only("udp", 81).slice(0, 1), "ECONNREFUSED");
      await setPorts({ ...tcp, targetPort: "web-next" }, udp, next);
      await reaches(client, ways, "ports-0", "ports-1");
    });
    await setPorts(tcp, udp, { ...next, port: 8001 });
    await reaches(client, only("tcp", 8001), "ports-0", "ports-1");
    await reaches(client, only("tcp", 81), "ECONNREFUSED");
    await setPorts(tcp, { ...next, port: 8001 });
    await reaches(client, only("udp", 80), "ECONNREFUSED");
    await reaches(client, only("tcp", 80), "ports-0", "ports-1");
  });

  it("is programmed for SCTP beside TCP and UDP of one port number (KP-02, KP-33)", async () => {
    const sctp = { name: "sig", protocol: "SCTP", port: 80, targetPort: 9899 };
    const { addresses, pods, ways } = await serve("triple", 1, { ports: [tcp, udp, sctp] });
    const { ip4, ip6 } = pods.pods[0]!.pod;
    const programmed = async () =>
      (await agent.services())
        .filter(({ name, protocol }) => name === "triple" && protocol === "SCTP")
        .flatMap(({ frontends, cluster }) =>
          cluster.map((backend) => [frontends[0]?.address, backend.address, backend.port]),
        )
        .sort();
    const wanted = [
      [addresses[0], ip4, 9899],
      [addresses[1], ip6, 9899],
    ];
    await until(async () => isDeepStrictEqual(await programmed(), wanted), {
      deadlineMs: 20_000,
      describe: "SCTP to be programmed in both families",
    });
    await reaches(client, ways, "triple-0");
    const { problems } = await agent.status();
    expect(problems.filter(({ target }) => target.includes("triple"))).toEqual([]);
  });

  it("finds a named target port in each pod, whatever its number (KP-03, KP-33)", async () => {
    const { ways } = await serve("named", 1);
    const others = await cluster.deployment("renumbered", {
      replicas: 1,
      labels: { app: "named" },
      ports: [
        { name: "web", port: 7070 },
        { name: "dns", port: 7071, protocol: "UDP" },
      ],
    });
    await reaches(client, ways, "named-0", ...others.pods.map(({ name }) => name));
  });

  it("is the only one to answer in a ServiceCIDR, as long as there is that one (KP-31)", async () => {
    const networking = cluster.api.config.makeApiClient(NetworkingV1Api);
    const ways = waysTo(["10.222.3.4", "fd00:222::34"], 80).filter(
      ({ protocol }) => protocol === "tcp",
    );
    await reaches(client, ways, "untranslated");
    const spec = { cidrs: ["10.222.0.0/16", "fd00:222::/112"] };
    await networking.createServiceCIDR({ body: { metadata: { name: "more" }, spec } });
    await reaches(client, ways, "ECONNREFUSED");
    await networking.deleteServiceCIDR({ name: "more" });
    await reaches(client, ways, "untranslated");
  });

  it("is left to another proxy while it has the label service-proxy-name (KP-01)", async () => {
    const { ways } = await serve("labelled");
    const label = (value: string | null) =>
      cluster.api.patchService("labelled", {
        metadata: { labels: { "service.kubernetes.io/service-proxy-name": value } },
      });
    await label("other");
    await reaches(client, ways, "untranslated");
    await label(null);
    await reaches(client, ways, "labelled-0", "labelled-1");
  });

  it("is not touched when it is headless (KP-01)", async () => {
    await createService("headless", { clusterIP: "None" });
    const pods = await startPods("headless", 1);
    const { ip4, ip6 } = pods.pods[0]!.pod;
    await cluster.api.waitForReady("headless", [ip4, ip6]);
    await serve("after-headless", 1);
    await reaches(client, waysTo([ip4, ip6], 8080), "headless-0");
    const names = (await agent.services()).map(({ name }) => name);
    expect(names).toContain("after-headless");
    expect(names).not.toContain("headless");
  });

  it("keeps a client on one pod while it has session affinity (KP-28)", async () => {
    const { pods, ways } = await serve("sticky", 3);
    const affinity = (sessionAffinity: string) =>
      cluster.api.patchService("sticky", { spec: { sessionAffinity } });
    await affinity("ClientIP");
    for (const way of ways) {
      const chosen = await until(
        async () => {
          const answers = await answersFrom(client, way);
          return answers.length === 1 && answers[0];
        },
        { deadlineMs: 20_000, describe: `${way.protocol} ${way.address} to keep to one pod` },
      );
      expect(await answersFrom(client, way)).toEqual([chosen]);
    }
    const [chosen] = await answersFrom(client, ways[0]!);
    await pods.pods.find(({ name }) => name === chosen)!.setReady(false);
    await until(async () => !(await answersFrom(client, ways[0]!)).includes(chosen!), {
      deadlineMs: 20_000,
      describe: `${chosen} to be left`,
    });
    expect(await answersFrom(client, ways[0]!)).toHaveLength(1);
    await pods.pods.find(({ name }) => name === chosen)!.setReady(true);
    await affinity("None");
    await reaches(client, ways, "sticky-0", "sticky-1", "sticky-2");
  });
});

describe("EndpointSlices written by hand", () => {
  const slice = (name: string, addressType: string, endpoints: readonly object[]) =>
    cluster.api.discovery.createNamespacedEndpointSlice({
      namespace: "default",
      body: {
        metadata: { name, labels: { "kubernetes.io/service-name": "manual" } },
        addressType,
        ports: [
          { name: "web", protocol: "TCP", port: 8080 },
          { name: "dns", protocol: "UDP", port: 8080 },
        ],
        endpoints: [...endpoints] as never,
      },
    });

  it("count an endpoint once that two of them hold, and the one that is not terminating (KP-03)", async () => {
    const service = await cluster.api.createService("manual", {
      ports: [tcp, udp],
      ipFamilyPolicy: "PreferDualStack",
    });
    const ways = waysTo(addressesOf(service), 80);
    const pods = (await startPods("manual", 2)).pods.map(({ pod }) => pod);
    const terminating = { ready: false, serving: true, terminating: true };
    for (const family of ["IPv4", "IPv6"] as const) {
      const [one, two] = pods.map(({ ip4, ip6 }) => (family === "IPv4" ? ip4 : ip6));
      await slice(`manual-1-${family.toLowerCase()}`, family, [
        { addresses: [one] },
        { addresses: [two], conditions: terminating },
      ]);
      await slice(`manual-2-${family.toLowerCase()}`, family, [
        { addresses: [one] },
        { addresses: [two] },
      ]);
    }
    await agent.hasEndpoints("manual", 2);
    await reaches(client, ways, "manual-0", "manual-1");
    const load = await startLoad(client, ways[0]!, { count: 1_000, summary: true });
    const { backends } = await load.finished();
    // Twice the weight would be 667 of them; five standard deviations are 79.
    expect(backends["manual-0"]?.count).toBeGreaterThan(421);
    expect(backends["manual-0"]?.count).toBeLessThan(579);
  });

  it("end with their last one: the Service refuses (PF-25)", async () => {
    const { spec } = await cluster.api.core.readNamespacedService({
      namespace: "default",
      name: "manual",
    });
    for (const name of ["manual-1-ipv4", "manual-2-ipv4"]) {
      await cluster.api.discovery.deleteNamespacedEndpointSlice({ namespace: "default", name });
    }
    const [ip4, ip6] = spec?.clusterIPs ?? [];
    await reaches(client, waysTo([ip4!], 80), "ECONNREFUSED");
    await reaches(client, waysTo([ip6!], 80), "manual-0", "manual-1");
  });
});

describe("an API server that goes away", () => {
  const lists = async () =>
    (await agent.status()).source.resources.map((each) => [each.resource, each.lists]);

  /** Everything that can happen to objects, while the agent cannot see it. */
  async function changesUnseen(gap: string, reopen: () => Promise<void>): Promise<void> {
    const stable = await serve(`${gap}-stable`, 3);
    const doomed = await serve(`${gap}-doomed`, 1);
    const emptied = await serve(`${gap}-emptied`, 1);
    await unbroken(stable.ways, async () => {
      await gated.gate.shut();
      await cluster.api.deleteService(`${gap}-doomed`);
      await stable.pods.pods[0]!.setReady(false);
      await stable.pods.scale(4);
      await emptied.pods.remove();
      const made = await createService(`${gap}-made`);
      await startPods(`${gap}-made`, 1);
      await cluster.api.waitForReady(
        `${gap}-stable`,
        stable.pods.pods.slice(1).flatMap(({ pod }) => [pod.ip4, pod.ip6]),
      );
      // The agent cannot know yet: what it programmed goes on working.
      const [way] = stable.ways;
      expect(await answersFrom(client, way!)).toEqual(
        [0, 1, 2].map((index) => `${gap}-stable-${index}`),
      );
      expect(await answersFrom(client, doomed.ways[0]!)).toEqual([`${gap}-doomed-0`]);

      await reopen();
      await reaches(client, waysTo(addressesOf(made), 80), `${gap}-made-0`);
      await reaches(client, stable.ways, ...[1, 2, 3].map((index) => `${gap}-stable-${index}`));
      await reaches(client, doomed.ways, "ECONNREFUSED");
      await reaches(client, emptied.ways, "ECONNREFUSED");
    });
  }

  it("is followed from where it was left when the connection comes back (PF-03)", async () => {
    const before = await lists();
    await changesUnseen("gap", () => gated.gate.open());
    expect(await lists()).toEqual(before);
  });

  it("is listed once more when it has forgotten the version, and what went meanwhile goes (PF-03)", async () => {
    const before = await lists();
    await changesUnseen("expired", async () => {
      await cluster.controlPlane.expireWatches();
      await gated.gate.open();
    });
    const expected = before.map(([resource, count]) => [resource, Number(count) + 1]);
    await until(async () => isDeepStrictEqual(await lists(), expected), {
      deadlineMs: 20_000,
      describe: () => `each to be listed once more; the agent said: ${agent.log}`,
    });
  });

  it("may be killed: connections go on, and changes are seen once it runs again (PF-03, PF-04)", async () => {
    const { pods, ways } = await serve("outlives");
    const before = await lists();
    await unbroken(ways, async () => {
      await cluster.controlPlane.stopApiServer();
      await until(async () => (await sourceErrors()).every((error) => error !== null), {
        deadlineMs: 20_000,
        describe: "the agent to see that the API server is gone",
      });
      await reaches(client, ways, "outlives-0", "outlives-1");
      await cluster.controlPlane.startApiServer();
      await pods.scale(3);
      await reaches(client, ways, "outlives-0", "outlives-1", "outlives-2");
      await pods.scale(1, () => reaches(client, ways, "outlives-2"));
    });
    for (const [resource, count] of await lists()) {
      // A restarted server may have forgotten the versions of before, and may not.
      const known = before.find(([name]) => name === resource)?.[1];
      expect([known, Number(known) + 1]).toContain(count);
    }
  });

  const sourceErrors = async () =>
    (await agent.status()).source.resources.map(({ error }) => error);
});
