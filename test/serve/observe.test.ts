import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Twin } from "../../agent/datapath/twin.ts";
import type { AgentEvent } from "../../agent/events/event.ts";
import { LatencyWindow } from "../../agent/latency.ts";
import { createLog } from "../../agent/log.ts";
import type { SourceEvent } from "../../agent/model/event.ts";
import { type Observers, observe } from "../../agent/observe.ts";
import type { ProbeReport } from "../../agent/probe/probe.ts";
import type { Parts } from "../../agent/view.ts";
import { until } from "../harness/until.ts";
import { endpoint, slice as sliceOf } from "../model/objects.ts";
import { AgentRig } from "../reconcile/agent_rig.ts";
import { service, synced } from "../reconcile/events.ts";
import { view } from "./fixture.ts";

const capacity = { services: 64, backends: 64, slots: 64, frontends: 64 };
const web = service("web", "10.96.0.10");

const ok: ProbeReport = {
  state: "ok",
  reason: null,
  families: [],
  since: 0,
  failures: 0,
  reattached: new Map(),
};

let probed: ProbeReport;
let rig: AgentRig;
let observers: Observers;
let recorded: AgentEvent[];
let livez: () => Promise<number>;
let healthz: () => Promise<{ status: number; body: unknown }>;
let sample: (name: string) => Promise<number | undefined>;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const [port, metricsPort] = [await freePort(), await freePort()];
  recorded = [];
  probed = ok;
  rig = await AgentRig.start(new Twin(capacity));
  observers = observe(partsOf(rig, port, metricsPort), view(), log());
  livez = async () => (await fetch(`http://127.0.0.1:${port}/livez`)).status;
  healthz = async () => {
    const response = await fetch(`http://127.0.0.1:${port}/healthz`);
    return { status: response.status, body: await response.json() };
  };
  sample = async (name) => {
    const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    const line = text.split("\n").find((each) => each.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.split(" ").at(-1));
  };
  await until(livez, { deadlineMs: 5_000, describe: "the health server" });
});
afterEach(async () => {
  vi.useRealTimers();
  await observers?.close();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function partsOf({ loop, reconciler }: AgentRig, port: number, metricsPort: number): Parts {
  const host = "127.0.0.1";
  const config = {
    nodeName: "here",
    healthzBindAddress: { host, port },
    metricsBindAddress: { host, port: metricsPort },
  };
  const source = { status: () => ({ kind: "kubernetes" }) };
  const latency = new LatencyWindow();
  const nodeWatch = { followNodePorts: () => {} };
  const foreignProxies = { watchPort: () => {} };
  const events = { record: (event: AgentEvent) => recorded.push(event) };
  const startedAt = new Date();
  const probe = { report: () => probed };
  const running = { config, loop, reconciler, source, latency, nodeWatch, startedAt };
  return { ...running, probe, foreignProxies, events } as unknown as Parts;
}

const log = () => createLog({ level: "error", format: "json", output: process.stderr });

function tell(...events: readonly SourceEvent[]): void {
  observers.arrived(events);
  rig.handle(events);
  observers.handled();
}

const pass = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1000);

describe("/livez", () => {
  it("turns 503 when the publishing loop is stuck for a minute, and recovers (KP-41)", async () => {
    tell(web, synced("services"), synced("endpointslices"), synced("nodes"));
    pass(59);
    expect(await livez()).toBe(200);
    pass(2);
    expect(await livez()).toBe(503);
    await rig.settle();
    expect(await livez()).toBe(200);
    pass(3600);
    expect(await livez()).toBe(200);
    pass(-7200);
    expect(await livez()).toBe(200);
  });

  it("stays 200 while the API server is what has to be waited for (KP-04, KP-41)", async () => {
    tell(web, synced("services"));
    pass(120);
    expect(await livez()).toBe(200);
    tell(synced("endpointslices"), synced("nodes"));
    expect(await livez()).toBe(200);
    pass(61);
    expect(await livez()).toBe(503);
    await rig.settle();
    expect(await livez()).toBe(200);
  });
});

describe("the probe", () => {
  const reason = "sluice_connect4 does not translate: EINVAL";
  const fail = () => {
    probed = { ...ok, state: "failed", reason, since: Date.now() };
  };

  it("turns /healthz 503 with its reason at once, /livez after a minute, both back (PF-06)", async () => {
    tell(...start);
    await rig.settle();
    tell({ kind: "node", node: { name: "here", zone: undefined, addresses: [], leaving: false } });
    expect((await healthz()).status).toBe(200);
    fail();
    expect(await healthz()).toMatchObject({ status: 503, body: { healthy: false, reason } });
    pass(59);
    expect(await livez()).toBe(200);
    pass(1);
    expect(await livez()).toBe(503);
    probed = { ...ok, since: Date.now() };
    expect(await livez()).toBe(200);
    expect((await healthz()).status).toBe(200);
  });

  it("turns a healthCheckNodePort 503 at once, and a Node that leaves does not (KP-40, PF-06)", async () => {
    const port = await freePort();
    const local = endpoint("10.0.0.1", { nodeName: "here" });
    tell(balancerAt(port), changed({ endpoints: [local] }), ...start.slice(1));
    await rig.settle();
    const status = async () => (await fetch(`http://127.0.0.1:${port}/`)).status;
    await until(
      () =>
        status().then(
          (it) => it === 200,
          () => false,
        ),
      {
        deadlineMs: 5_000,
        describe: "the health check server",
      },
    );
    fail();
    expect(await status()).toBe(503);
    probed = ok;
    tell({ kind: "node", node: { name: "here", zone: undefined, addresses: [], leaving: true } });
    expect(await status()).toBe(200);
  });

  it.each(["starting", "off"] as const)(
    "says nothing of health while it is %s (PF-06)",
    async (state) => {
      probed = { ...ok, state, reason: "not known", since: 0 };
      expect(await livez()).toBe(200);
      expect((await healthz()).body).not.toHaveProperty("reason");
    },
  );
});

/** Under externalTrafficPolicy Local. */
const balancerAt = (healthCheckNodePort: number) =>
  service("web", "10.96.0.10", {
    type: "LoadBalancer",
    externalTrafficPolicy: "Local",
    healthCheckNodePort,
  });

const start = [web, synced("services"), synced("endpointslices"), synced("nodes")] as const;
const changed = (given: Parameters<typeof sliceOf>[0] = {}): SourceEvent => ({
  kind: "slice",
  slice: sliceOf({ endpoints: [endpoint("10.0.0.1")], changedAt: Date.now(), ...given }),
});

describe("metrics of publishing", () => {
  const duration = (scope: string) =>
    sample(`kubeproxy_sync_${scope}proxy_rules_duration_seconds_count{ip_family="IPv4"}`);
  const durations = async () => [await duration("full_"), await duration("partial_")];

  it("tell the sync of all that was listed from those of changes, and count no idle one (KP-60)", async () => {
    tell(...start);
    await rig.settle();
    expect(await durations()).toEqual([1, undefined]);
    tell({ kind: "service-deleted", namespace: "default", name: "web" });
    await rig.settle();
    tell(synced("nodes"));
    await rig.settle();
    expect(await durations()).toEqual([1, 1]);
    expect(await duration("")).toBe(2);
  });

  const sync = "kubeproxy_sync_proxy_rules";
  const changes = async (which: string) => [
    await sample(`${sync}_service_changes_${which}`),
    await sample(`${sync}_endpoint_changes_${which}`),
  ];

  it("count as pending what the loop has not published yet (KP-60, PF-11)", async () => {
    tell(...start, changed(), changed({ name: "two" }));
    expect(await changes("pending")).toEqual([1, 2]);
    await rig.settle();
    expect(await changes("pending")).toEqual([0, 0]);
    expect(await changes("total")).toEqual([1, 2]);
  });

  const programmed = () =>
    sample('kubeproxy_network_programming_duration_seconds_sum{ip_family="IPv4"}');

  it("measure from the time that a slice gives until it is programmed (KP-60)", async () => {
    tell(...start);
    await rig.settle();
    tell(changed());
    pass(3);
    await rig.settle();
    expect(await programmed()).toBe(3);
  });

  it("measure no change from before the start, and none that went before it was programmed (KP-60)", async () => {
    tell(...start);
    await rig.settle();
    tell(changed({ changedAt: Date.now() - 1 }), changed({ name: "gone" }));
    tell({ kind: "slice-deleted", namespace: "default", name: "gone" });
    await rig.settle();
    expect(await programmed()).toBeUndefined();
  });

  it("measure no change that has no room in the maps (KP-60, PF-08)", async () => {
    tell(...start);
    await rig.settle();
    const many = Array.from({ length: 65 }, (_, at) => endpoint(`10.0.0.${at + 1}`));
    tell(changed({ endpoints: many }));
    await rig.settle();
    expect(rig.reconciler.failures.map(({ code }) => code)).toEqual(["full"]);
    expect(await programmed()).toBeUndefined();
    tell(changed());
    await rig.settle();
    expect(await programmed()).toBe(0);
  });
});

describe("events", () => {
  const reasons = () => recorded.map(({ regarding, reason }) => `${regarding.name} ${reason}`);

  it("tell once of a Service that has no room, and again when it comes back (PF-08)", async () => {
    tell(...start);
    await rig.settle();
    const many = Array.from({ length: 65 }, (_, at) => endpoint(`10.0.0.${at + 1}`));
    tell(changed({ endpoints: many }));
    await rig.settle();
    tell(changed({ endpoints: many, name: "again" }));
    await rig.settle();
    expect(reasons()).toEqual(["web ServiceMapFull"]);
    expect(recorded[0]?.note).toMatch(
      /^port \/TCP\/IPv4 is not programmed: the map backends has no room left in its 64 entries/,
    );
    tell(changed(), changed({ name: "again" }));
    await rig.settle();
    tell(changed({ endpoints: many }));
    await rig.settle();
    expect(reasons()).toEqual(["web ServiceMapFull", "web ServiceMapFull"]);
  });

  it("tell of source ranges that are none (KP-24)", async () => {
    const loadBalancerSourceRanges = ["10.0.0.0/8", "nonsense"];
    const more = { type: "LoadBalancer", loadBalancerSourceRanges } as const;
    tell(service("web", "10.96.0.10", more), ...start.slice(1));
    await rig.settle();
    expect(reasons()).toEqual(["web InvalidSourceRange"]);
    expect(recorded[0]?.note).toContain("nonsense");
  });

  it("tell of a healthCheckNodePort that is taken, as kube-proxy's do (KP-40)", async () => {
    const taken = createServer().listen(0);
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    tell(balancerAt(port), ...start.slice(1));
    await rig.settle();
    await until(() => recorded.length > 0, { deadlineMs: 5_000, describe: "an event" });
    expect(recorded).toEqual([
      {
        regarding: { apiVersion: "v1", kind: "Service", namespace: "default", name: "web" },
        reason: "FailedToStartServiceHealthcheck",
        action: "Listen",
        note: expect.stringMatching(`^node here: healthCheckNodePort ${port} cannot be served`),
      },
    ]);
    taken.close();
    await once(taken, "close");
  });
});
