import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Twin } from "../../agent/datapath/twin.ts";
import { LatencyWindow } from "../../agent/latency.ts";
import { createLog } from "../../agent/log.ts";
import type { Resource, SourceEvent } from "../../agent/model/event.ts";
import { type Observers, observe } from "../../agent/observe.ts";
import type { AgentView } from "../../agent/serve/dump.ts";
import type { Parts } from "../../agent/view.ts";
import { until } from "../harness/until.ts";
import { AgentRig } from "../reconcile/agent_rig.ts";

const capacity = { services: 64, backends: 64, slots: 64, frontends: 64 };
const synced = (resource: Resource): SourceEvent => ({ kind: "synced", resource });
const web: SourceEvent = {
  kind: "service",
  service: {
    namespace: "default",
    name: "web",
    type: "ClusterIP",
    clusterIPs: ["10.96.0.10"],
    ports: [{ name: "", protocol: "TCP", port: 80, nodePort: 0 }],
    externalIPs: [],
    loadBalancerIPs: [],
    internalTrafficPolicy: "Cluster",
    externalTrafficPolicy: "Cluster",
    affinityTimeoutSeconds: 0,
    loadBalancerSourceRanges: [],
    healthCheckNodePort: 0,
    algorithm: "random",
    weights: new Map(),
  },
};

let rig: AgentRig;
let observers: Observers;
let livez: () => Promise<number>;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const port = await freePort();
  rig = await AgentRig.start(new Twin(capacity));
  observers = observe(partsOf(rig, port), {} as AgentView, log());
  livez = async () => (await fetch(`http://127.0.0.1:${port}/livez`)).status;
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

function partsOf({ loop, reconciler }: AgentRig, port: number): Parts {
  const config = { healthzBindAddress: { host: "127.0.0.1", port } };
  const source = { status: () => ({ kind: "kubernetes" }) };
  const latency = new LatencyWindow();
  const nodeWatch = { followNodePorts: () => {} };
  const parts = { config, loop, reconciler, source, latency, nodeWatch, startedAt: new Date() };
  return parts as unknown as Parts;
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
