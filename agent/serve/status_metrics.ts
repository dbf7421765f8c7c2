import { Counter, Gauge, type Registry } from "prom-client";
import type { AgentStatus } from "./dump.ts";

/** Where one metric's samples stand in a status: label values and a value. */
type Read = (status: AgentStatus) => Iterable<readonly [Readonly<Record<string, string>>, number]>;

interface StatusMetric {
  readonly kind: "gauge" | "counter";
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly read: Read;
}

const one = (read: (status: AgentStatus) => number): Pick<StatusMetric, "labels" | "read"> => ({
  labels: [],
  read: (status) => [[{}, read(status)]],
});

const perMap = (field: "entries" | "capacity" | "memoryBytes") => ({
  labels: ["map"],
  read: ((status) => status.datapath.maps.map((map) => [{ map: map.name }, map[field]])) as Read,
});

const perResource = (read: (resource: Resource) => number) => ({
  labels: ["resource"],
  read: (({ source }) =>
    source.resources.map((it) => [{ resource: it.resource }, read(it)])) as Read,
});

type Resource = AgentStatus["source"]["resources"][number];

/** At most one sample for each of the reasons and each device that the agent serves. */
const perPacketCount = (field: "packets" | "bytes") => ({
  labels: ["device", "reason"],
  read: (({ datapath }) =>
    datapath.packets.map((it) => [{ device: it.device, reason: it.reason }, it[field]])) as Read,
});

const signs = ["nftables", "iptables", "ipvs", "healthz_port", "metrics_port"] as const;

/** Every metric that is read from the status on a scrape. */
const statusMetrics: readonly StatusMetric[] = [
  {
    kind: "gauge",
    name: "sluice_build_info",
    help: "1, with the version of the agent and the release of the kernel that it runs on",
    labels: ["version", "kernel_release"],
    read: ({ version, kernelRelease }) => [[{ version, kernel_release: kernelRelease }, 1]],
  },
  {
    kind: "gauge",
    name: "sluice_ready",
    help: "1 where everything that the source held at the start is published",
    ...one(({ sync }) => Number(sync.ready)),
  },
  {
    kind: "gauge",
    name: "sluice_readiness",
    help: "1 where the check of /readyz is passed; 5 checks",
    labels: ["check"],
    read: ({ readiness }) =>
      readiness.map(({ name, healthy }) => [{ check: name }, Number(healthy)]),
  },
  {
    kind: "gauge",
    name: "sluice_objects",
    help: "Service ports, frontends and backends that are programmed",
    labels: ["kind"],
    read: ({ sync }) =>
      (["services", "frontends", "backends"] as const).map((kind) => [{ kind }, sync[kind]]),
  },
  {
    kind: "gauge",
    name: "sluice_program_attached",
    help: "1 where the eBPF program is attached",
    labels: ["program"],
    read: ({ datapath }) =>
      datapath.programs.map(({ name, attached }) => [{ program: name }, Number(attached)]),
  },
  {
    kind: "counter",
    name: "sluice_programs_reattached_total",
    help: "Times that the eBPF program was found detached and was attached again; no device: at the cgroup",
    labels: ["program", "device"],
    read: ({ datapath }) =>
      datapath.reattached.map((it) => [{ program: it.program, device: it.device ?? "" }, it.count]),
  },
  {
    kind: "gauge",
    name: "sluice_probe_success",
    help: "1 where a connection of the agent's own to a Service of the family is translated; absent where it cannot be seen",
    labels: ["family"],
    read: ({ probe }) => probe.families.map(({ family, success }) => [{ family }, Number(success)]),
  },
  {
    kind: "counter",
    name: "sluice_probe_failures_total",
    help: "Looks, about each 2 s, at which connections were not translated or programs were gone",
    ...one(({ probe }) => probe.failures),
  },
  {
    kind: "gauge",
    name: "sluice_feature_enabled",
    help: "1 where the feature is on, 0 where this kernel lacks what it needs",
    labels: ["feature"],
    read: ({ datapath }) =>
      datapath.features.map(({ name, state }) => [{ feature: name }, Number(state === "on")]),
  },
  {
    kind: "gauge",
    name: "sluice_map_entries",
    help: "Entries in use in the map",
    ...perMap("entries"),
  },
  {
    kind: "gauge",
    name: "sluice_map_capacity",
    help: "Entries that the map can hold",
    ...perMap("capacity"),
  },
  {
    kind: "gauge",
    name: "sluice_map_memory_bytes",
    help: "Kernel memory of the map",
    ...perMap("memoryBytes"),
  },
  {
    kind: "gauge",
    name: "sluice_flows",
    help: "Flows translated per packet that are remembered, as of the last sweep",
    ...one(({ datapath }) => datapath.flows.inUse ?? 0),
  },
  {
    kind: "gauge",
    name: "sluice_flows_max",
    help: "Flows that can be remembered; beyond it those go that were used least recently",
    ...one(({ datapath }) => datapath.flows.capacity),
  },
  {
    kind: "counter",
    name: "sluice_flows_expired_total",
    help: "Flows ended because they were idle for longer than their state is kept; 6 states",
    labels: ["state"],
    read: ({ datapath }) =>
      Object.entries(datapath.flows.expired).map(([state, count]) => [{ state }, count]),
  },
  {
    kind: "gauge",
    name: "sluice_flow_sweep_seconds",
    help: "Time that the last sweep over the flows took, off the agent's main thread",
    ...one(({ datapath }) => datapath.flows.lastSweepSeconds ?? 0),
  },
  {
    kind: "counter",
    name: "sluice_packets_total",
    help: "Packets by what became of them, without the translated ones of established flows; at most 18 reasons for each served device",
    ...perPacketCount("packets"),
  },
  {
    kind: "counter",
    name: "sluice_packet_bytes_total",
    help: "Bytes of the packets that sluice_packets_total counts",
    ...perPacketCount("bytes"),
  },
  {
    kind: "counter",
    name: "sluice_map_writes_total",
    help: "Entries written to the map since the start",
    labels: ["map"],
    read: ({ sync }) => Object.entries(sync.writes).map(([map, count]) => [{ map }, count]),
  },
  {
    kind: "counter",
    name: "sluice_audits_total",
    help: "Comparisons of the maps with what was written into them",
    ...one(({ sync }) => sync.audits.count),
  },
  {
    kind: "counter",
    name: "sluice_audit_repairs_total",
    help: "What an audit found in the map that was not what was written, and mended; 8 maps",
    labels: ["map"],
    read: ({ sync }) => Object.entries(sync.audits.repairs).map(([map, count]) => [{ map }, count]),
  },
  {
    kind: "gauge",
    name: "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
    help: "Service ports with a Local traffic policy and endpoints on other nodes only",
    labels: ["traffic_policy", "ip_family"],
    read: ({ sync }) =>
      sync.noLocalEndpoints.map(({ policy, family, count }) => [
        { traffic_policy: policy, ip_family: family },
        count,
      ]),
  },
  {
    kind: "gauge",
    name: "sluice_failures",
    help: "Service ports that the kernel does not hold as they should be",
    ...one(({ failures }) => failures.length),
  },
  {
    kind: "gauge",
    name: "sluice_service_failing",
    help: "1 for each Service port that the kernel does not hold as it should be",
    labels: ["service"],
    read: ({ failures }) => failures.map(({ service }) => [{ service }, 1]),
  },
  {
    kind: "gauge",
    name: "sluice_retries_pending",
    help: "Failed writes that wait to be tried again",
    ...one(({ sync }) => sync.pendingRetries),
  },
  {
    kind: "gauge",
    name: "sluice_foreign_proxy",
    help: "1 where there is this sign of another service proxy on the node",
    labels: ["evidence"],
    read: ({ foreignProxies }) =>
      signs.map((evidence) => {
        const isThere = foreignProxies.some((it) => it.evidence === evidence);
        return [{ evidence }, Number(isThere)];
      }),
  },
  {
    kind: "counter",
    name: "sluice_events_total",
    help: "Events about what an operator must know: sent, suppressed as too many, failed",
    labels: ["outcome"],
    read: ({ events }) =>
      Object.entries(events ?? {}).map(([outcome, count]) => [{ outcome }, count]),
  },
  {
    kind: "gauge",
    name: "sluice_source_problems",
    help: "Objects of the source that were left out",
    ...one(({ problems }) => problems.length),
  },
  {
    kind: "gauge",
    name: "sluice_source_synced",
    help: "1 where every object of the resource has been read once",
    ...perResource(({ synced }) => Number(synced)),
  },
  {
    kind: "gauge",
    name: "sluice_source_objects",
    help: "Objects of the resource that the source holds",
    ...perResource(({ objects }) => objects),
  },
  {
    kind: "counter",
    name: "sluice_source_lists_total",
    help: "Lists of the resource since the start; each but the first began a watch anew",
    ...perResource(({ lists }) => lists),
  },
  {
    kind: "counter",
    name: "sluice_source_reconnects_total",
    help: "Lists of the resource since the start, without the first",
    ...perResource(({ lists }) => Math.max(0, lists - 1)),
  },
  {
    kind: "gauge",
    name: "sluice_watch_age_seconds",
    help: "Time since what is held was last known to be what the API server has; 4 s where all is well, alert above 30 s",
    labels: ["resource"],
    read: ({ source }) =>
      source.resources.flatMap(({ resource, confirmedSecondsAgo }) =>
        confirmedSecondsAgo === null ? [] : [[{ resource }, confirmedSecondsAgo] as const],
      ),
  },
  {
    kind: "gauge",
    name: "sluice_source_failing",
    help: "1 where the source cannot read the resource now",
    ...perResource(({ error }) => Number(error !== null)),
  },
  {
    kind: "counter",
    name: "sluice_stale_sockets_destroyed_total",
    help: "Sockets destroyed because their backend had gone",
    ...one(({ sync }) => sync.staleSocketsDestroyed),
  },
];

/** Registers the metrics of the status; the result brings them up to date with one. */
export function createStatusMetrics(registry: Registry): (status: AgentStatus) => void {
  const updates = statusMetrics.map(({ kind, name, help, labels, read }) => {
    const options = { registers: [registry], name, help, labelNames: [...labels] };
    // A counter whose total is kept elsewhere is begun anew and grows by the total.
    const metric = kind === "counter" ? new Counter(options) : new Gauge(options);
    return (status: AgentStatus) => {
      metric.reset();
      for (const [sample, value] of read(status)) metric.inc(sample, value);
    };
  });
  return (status) => {
    for (const update of updates) update(status);
  };
}
