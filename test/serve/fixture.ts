import type { FlowReport } from "../../agent/datapath/flow_report.ts";
import type { BackendReport, ServiceReport, StatsReport } from "../../agent/datapath/report.ts";
import type { AgentStatus, AgentView } from "../../agent/serve/dump.ts";

/** An agent's status in which every number differs from every other. */
export const status: AgentStatus = {
  version: "1.2.3",
  node: { name: "node-a", zone: "zone-1" },
  startedAt: "2026-01-02T03:04:05.000Z",
  uptimeSeconds: 3725,
  kernelRelease: "6.12.1",
  source: {
    kind: "kubernetes",
    target: "https://10.0.0.1:6443",
    resources: [
      {
        resource: "services",
        synced: true,
        objects: 21,
        lists: 3,
        lastEventAt: "2026-01-02T04:06:00.000Z",
        confirmedSecondsAgo: 2.5,
        withheld: false,
        error: null,
      },
      {
        resource: "endpointslices",
        synced: false,
        objects: 22,
        lists: 1,
        lastEventAt: null,
        confirmedSecondsAgo: null,
        withheld: false,
        error: "connection refused",
      },
    ],
  },
  datapath: {
    pinPath: "/sys/fs/bpf/sluice",
    cgroupPath: "/sys/fs/cgroup",
    programs: [
      { name: "connect4", attached: true },
      { name: "connect6", attached: false, reason: "IPv6 is disabled" },
    ],
    reattached: [
      { program: "connect4", device: null, count: 44 },
      { program: "sluice_to_outside", device: "eth0", count: 45 },
    ],
    devices: [
      {
        name: "eth0",
        index: 2,
        role: "external",
        roleReason: "has a default route",
        path: "neighbour",
        pathReason: "skips the stack: no netfilter rule would be missed",
        hook: "tcx",
        problem: null,
      },
      {
        name: "veth7",
        index: 9,
        role: "pod",
        roleReason: "a veth device whose other end is in another network namespace",
        path: "peer",
        pathReason: "goes straight into the pod",
        hook: null,
        problem: "attachTcx sluice_from_pod to interface 9: EPERM",
      },
    ],
    features: [
      { name: "refusal", state: "on", reason: "kernel 5.18 or later" },
      { name: "ring buffer", state: "off", reason: "kernel before 5.8" },
    ],
    flows: {
      inUse: 32,
      capacity: 65_536,
      expired: { opening: 33, established: 0, closing: 34, closed: 35, unreplied: 0, stream: 36 },
      lastSweepSeconds: 0.037,
      timeoutSeconds: {
        tcpOpening: 120,
        tcpEstablished: 86_400,
        tcpClosing: 119,
        tcpClosed: 10,
        udp: 30,
        udpStream: 118,
      },
      snatPorts: { first: 61_000, last: 65_535 },
    },
    packets: [
      { device: "eth0", reason: "new_flow", packets: 38, bytes: 3_900 },
      { device: "eth0", reason: "dropped_no_route", packets: 39, bytes: 4_000 },
    ],
    maps: [{ name: "services", entries: 31, capacity: 16384, memoryBytes: 655360 }],
  },
  sync: {
    ready: true,
    services: 41,
    frontends: 42,
    backends: 43,
    lastPublishedAt: "2026-01-02T04:06:01.000Z",
    publishLatency: { p50Microseconds: 80, p99Microseconds: 400, maxMicroseconds: 900 },
    pendingRetries: 1,
    writes: { frontends: 51, services: 52, slots: 53, backends: 54, names: 55 },
    noLocalEndpoints: [
      { policy: "internal", family: "IPv4", count: 62 },
      { policy: "internal", family: "IPv6", count: 63 },
      { policy: "external", family: "IPv4", count: 64 },
      { policy: "external", family: "IPv6", count: 65 },
    ],
    staleSocketsDestroyed: 61,
    audits: {
      count: 72,
      lastAt: "2026-01-02T04:05:30.000Z",
      repairs: { frontends: 73, settings: 0 },
    },
  },
  probe: {
    state: "failed",
    since: "2026-01-02T04:05:00.000Z",
    reason: "IPv6: sluice_connect6 does not translate: there is no answer",
    families: [
      { family: "IPv4", success: true },
      { family: "IPv6", success: false },
    ],
    failures: 69,
  },
  readiness: [
    { name: "listed", healthy: false, reason: "not listed yet: endpointslices (refused)" },
    { name: "confirmed", healthy: true, reason: null },
    { name: "programmed", healthy: false, reason: "shop/web:http/TCP/IPv4: the map is full" },
    { name: "attached", healthy: true, reason: null },
    { name: "probe", healthy: true, reason: null },
  ],
  failures: [
    {
      service: "shop/web:http/TCP/IPv4",
      code: "full",
      message: "the map frontends is full; raise --max-frontends",
      since: "2026-01-02T04:00:00.000Z",
      retries: 7,
    },
  ],
  leftToNode: [{ service: "kube-system/kube-dns", address: "10.96.0.10", device: "nodelocaldns" }],
  foreignProxies: [
    { evidence: "nftables", what: "table ip kube-proxy of nftables" },
    { evidence: "healthz_port", what: "another process at 0.0.0.0:10256" },
  ],
  events: { sent: 66, suppressed: 67, failed: 68 },
  problems: [
    { target: "shop/old", message: "the Service has no ports; add spec.ports" },
    { target: "b.yaml", message: "is no YAML" },
  ],
};

export const backend = (address: string, index: number, local = false): BackendReport => ({
  address,
  port: 8080,
  index,
  generation: 1,
  ready: true,
  serving: true,
  terminating: false,
  local,
  slots: 1,
});

const near = backend("10.1.0.5", 3, true);
const far = backend("10.1.1.9", 4);
const ending = { ...backend("10.1.1.10", 5), ready: false, terminating: true };

const noTraffic: StatsReport = {
  connections: 0,
  datagrams: 0,
  refused: 0,
  affinity: 0,
  unremembered: 0,
  denied: 0,
  requestPackets: 0,
  requestBytes: 0,
  replyPackets: 0,
  replyBytes: 0,
};

export const web4: ServiceReport = {
  namespace: "shop",
  name: "web",
  portName: "http",
  protocol: "TCP",
  family: "IPv4",
  port: 80,
  index: 7,
  frontends: [
    { kind: "ClusterIP", address: "10.96.0.10", port: 80, limited: false },
    { kind: "LoadBalancer", address: "192.0.2.10", port: 80, limited: true },
    { kind: "NodePort", address: "0.0.0.0", port: 30080, limited: false },
  ],
  affinityTimeoutSeconds: 10800,
  internalLocal: true,
  externalLocal: false,
  algorithm: "random",
  sourceRanges: ["198.51.100.0/24", "203.0.113.0/24"],
  cluster: [near, { ...far, slots: 2 }],
  local: [near, ending],
  stats: {
    connections: 71,
    datagrams: 72,
    refused: 73,
    affinity: 74,
    unremembered: 75,
    denied: 76,
    requestPackets: 77,
    requestBytes: 7_800,
    replyPackets: 79,
    replyBytes: 8_000,
  },
};

export const web6: ServiceReport = {
  ...web4,
  family: "IPv6",
  index: 8,
  frontends: [{ kind: "ClusterIP", address: "fd00:96::a", port: 80, limited: false }],
  affinityTimeoutSeconds: 0,
  internalLocal: false,
  sourceRanges: [],
  cluster: [],
  local: [],
  stats: { ...noTraffic, refused: 5 },
};

export const dns: ServiceReport = {
  ...web4,
  namespace: "kube-system",
  name: "dns",
  portName: "",
  protocol: "UDP",
  port: 53,
  index: 1,
  frontends: [{ kind: "ClusterIP", address: "10.96.0.53", port: 53, limited: false }],
  affinityTimeoutSeconds: 0,
  internalLocal: false,
  algorithm: "maglev",
  sourceRanges: [],
  cluster: [far],
  local: [],
  stats: { ...noTraffic, connections: 9, datagrams: 8 },
};

export const services: readonly ServiceReport[] = [dns, web4, web6];

/** A view of these, some of whose status may be other. */
export const view = (current: () => AgentStatus = () => status): AgentView => ({
  status: current,
  services: () => services,
  service: (namespace, name) =>
    services.filter((it) => it.namespace === namespace && it.name === name),
  traffic: () => services,
});

export const flows: readonly FlowReport[] = [
  {
    protocol: "TCP",
    client: { address: "198.51.100.7", port: 40_001 },
    frontend: { address: "192.0.2.1", port: 30_080 },
    backend: { address: "10.1.1.9", port: 8080 },
    masquerade: { address: "10.0.0.1", port: 61_001 },
    service: {
      namespace: "shop",
      name: "web",
      portName: "http",
      algorithm: "maglev",
      affinityTimeoutSeconds: 10_800,
    },
    state: "established",
    idleSeconds: 3,
    requestPath: { kind: "neighbour", device: "eth1" },
    replyPath: { kind: "peer", device: "veth7" },
  },
  {
    protocol: "UDP",
    client: { address: "2001:db8::7", port: 40_002 },
    frontend: { address: "2001:db8:1::1", port: 53 },
    backend: { address: "fd00:10:244::5", port: 5353 },
    masquerade: null,
    service: null,
    state: "unreplied",
    idleSeconds: 75,
    requestPath: { kind: "stack", device: null },
    replyPath: null,
  },
];
