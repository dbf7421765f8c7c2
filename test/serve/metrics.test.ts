import { describe, expect, it } from "vitest";
import type { TrafficReport } from "../../agent/datapath/report.ts";
import { auditedMaps } from "../../agent/reconcile/discrepancy.ts";
import type { AgentStatus } from "../../agent/serve/dump.ts";
import { createMetrics } from "../../agent/serve/metrics.ts";
import { readinessOf } from "../../agent/serve/readiness.ts";
import type { SyncRecorder } from "../../agent/serve/sync_metrics.ts";
import { Reason } from "../../bpf/build/layout.ts";
import { services, status } from "./fixture.ts";

/** The samples of a scrape: name with labels, and value. */
const samplesOf = (text: string) =>
  new Map(
    text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => {
        const at = line.lastIndexOf(" ");
        return [line.slice(0, at), Number(line.slice(at + 1))] as const;
      }),
  );

const expired = { opening: 0, established: 0, closing: 0, closed: 0, unreplied: 0, stream: 0 };

const quiet: AgentStatus = {
  ...status,
  version: "1.2.2",
  datapath: {
    ...status.datapath,
    programs: [{ name: "connect4", attached: false }],
    reattached: [{ program: "connect4", device: null, count: 0 }],
    features: [{ name: "refusal", state: "off", reason: "" }],
    flows: { ...status.datapath.flows, inUse: null, capacity: 1, lastSweepSeconds: null, expired },
    packets: [],
    maps: [{ name: "services", entries: 0, capacity: 1, memoryBytes: 2 }],
  },
  source: {
    ...status.source,
    resources: [
      {
        resource: "services",
        synced: false,
        objects: 0,
        lists: 0,
        lastEventAt: null,
        confirmedSecondsAgo: null,
        withheld: false,
        error: "refused",
      },
    ],
  },
  sync: {
    ...status.sync,
    ready: false,
    services: 0,
    frontends: 0,
    backends: 0,
    pendingRetries: 0,
    writes: { frontends: 0, services: 0, slots: 0, backends: 0, names: 1 },
    noLocalEndpoints: [],
    staleSocketsDestroyed: 0,
    audits: { count: 0, lastAt: null, repairs: { frontends: 0 } },
  },
  probe: {
    ...status.probe,
    families: [{ family: "IPv4", success: false }],
    failures: 0,
  },
  foreignProxies: [],
  events: { sent: 0, suppressed: 0, failed: 0 },
  readiness: [{ name: "attached", healthy: false, reason: "connect4: it was detached" }],
  failures: [],
  problems: [],
};

const movable = () => {
  let current: { status: AgentStatus; traffic: readonly TrafficReport[] } = {
    status: quiet,
    traffic: [],
  };
  const metrics = createMetrics({
    status: () => current.status,
    traffic: () => current.traffic,
  });
  return {
    metrics,
    move: (next: Partial<typeof current>) => {
      current = { ...current, ...next };
    },
    scrape: async () => samplesOf(await metrics.text()),
  };
};

const statusRows: readonly [string, number | undefined, number][] = [
  ["sluice_ready", 0, 1],
  ['sluice_readiness{check="attached"}', 0, 1],
  ['sluice_readiness{check="listed"}', undefined, 0],
  ['sluice_objects{kind="services"}', 0, 41],
  ['sluice_objects{kind="frontends"}', 0, 42],
  ['sluice_objects{kind="backends"}', 0, 43],
  ['sluice_program_attached{program="connect4"}', 0, 1],
  ['sluice_programs_reattached_total{program="connect4",device=""}', 0, 44],
  ['sluice_programs_reattached_total{program="sluice_to_outside",device="eth0"}', undefined, 45],
  ['sluice_probe_success{family="IPv4"}', 0, 1],
  ['sluice_probe_success{family="IPv6"}', undefined, 0],
  ["sluice_probe_failures_total", 0, 69],
  ['sluice_feature_enabled{feature="refusal"}', 0, 1],
  ["sluice_flows", 0, 32],
  ["sluice_flows_max", 1, 65_536],
  ['sluice_flows_expired_total{state="opening"}', 0, 33],
  ['sluice_flows_expired_total{state="stream"}', 0, 36],
  ["sluice_flow_sweep_seconds", 0, 0.037],
  ['sluice_packets_total{device="eth0",reason="new_flow"}', undefined, 38],
  ['sluice_packets_total{device="eth0",reason="dropped_no_route"}', undefined, 39],
  ['sluice_packet_bytes_total{device="eth0",reason="dropped_no_route"}', undefined, 4_000],
  ['sluice_map_entries{map="services"}', 0, 31],
  ['sluice_map_capacity{map="services"}', 1, 16384],
  ['sluice_map_memory_bytes{map="services"}', 2, 655360],
  ['sluice_map_writes_total{map="frontends"}', 0, 51],
  ['sluice_map_writes_total{map="services"}', 0, 52],
  ['sluice_map_writes_total{map="slots"}', 0, 53],
  ['sluice_map_writes_total{map="backends"}', 0, 54],
  ["sluice_audits_total", 0, 72],
  ['sluice_audit_repairs_total{map="frontends"}', 0, 73],
  ["sluice_failures", 0, 1],
  ['sluice_service_failing{service="shop/web:http/TCP/IPv4"}', undefined, 1],
  ["sluice_retries_pending", 0, 1],
  ["sluice_source_problems", 0, 2],
  ['sluice_foreign_proxy{evidence="nftables"}', 0, 1],
  ['sluice_foreign_proxy{evidence="healthz_port"}', 0, 1],
  ['sluice_events_total{outcome="sent"}', 0, 66],
  ['sluice_events_total{outcome="suppressed"}', 0, 67],
  ['sluice_events_total{outcome="failed"}', 0, 68],
  ['sluice_source_synced{resource="services"}', 0, 1],
  ['sluice_source_objects{resource="services"}', 0, 21],
  ['sluice_source_lists_total{resource="services"}', 0, 3],
  ['sluice_source_reconnects_total{resource="services"}', 0, 2],
  ['sluice_watch_age_seconds{resource="services"}', undefined, 2.5],
  ['sluice_source_failing{resource="services"}', 1, 0],
  ["sluice_stale_sockets_destroyed_total", 0, 61],
  ['sluice_build_info{version="1.2.3",kernel_release="6.12.1"}', undefined, 1],
];

describe("metrics of the status", () => {
  it.each(gapRows)("%s comes to %s (KP-60, PF-11)", async (name, after) => {
    const { move, scrape } = movable();
    expect((await scrape()).get(name)).toBeUndefined();
    move({ status });
    expect((await scrape()).get(name)).toBe(after);
  });

  it.each(statusRows)("%s goes from %s to %s (PF-11)", async (name, before, after) => {
    const { move, scrape } = movable();
    expect((await scrape()).get(name)).toBe(before);
    move({ status });
    expect((await scrape()).get(name)).toBe(after);
  });

  it("does not add up totals over scrapes", async () => {
    const { move, scrape } = movable();
    move({ status });
    await scrape();
    expect((await scrape()).get('sluice_map_writes_total{map="slots"}')).toBe(53);
  });
});

const noLocal = "kubeproxy_sync_proxy_rules_no_local_endpoints_total";

const gapRows: [string, number][] = [
  [`${noLocal}{traffic_policy="internal",ip_family="IPv4"}`, 62],
  [`${noLocal}{traffic_policy="internal",ip_family="IPv6"}`, 63],
  [`${noLocal}{traffic_policy="external",ip_family="IPv4"}`, 64],
  [`${noLocal}{traffic_policy="external",ip_family="IPv6"}`, 65],
];

const at = Date.parse("2026-01-02T03:10:00.500Z");
const sync = "kubeproxy_sync_proxy_rules";

const loopRows: [string, (record: SyncRecorder) => void, number | undefined, number][] = [
  [
    `${sync}_duration_seconds_count{ip_family="IPv4"}`,
    (r) => r.synced("IPv4", "full", 0.5),
    undefined,
    1,
  ],
  [
    `${sync}_duration_seconds_sum{ip_family="IPv6"}`,
    (r) => r.synced("IPv6", "partial", 0.5),
    undefined,
    0.5,
  ],
  [
    'kubeproxy_sync_full_proxy_rules_duration_seconds_sum{ip_family="IPv4"}',
    (r) => r.synced("IPv4", "full", 0.5),
    undefined,
    0.5,
  ],
  [
    'kubeproxy_sync_partial_proxy_rules_duration_seconds_bucket{le="0.000125",ip_family="IPv6"}',
    (r) => r.synced("IPv6", "partial", 0.0001),
    undefined,
    1,
  ],
  [
    `${sync}_last_timestamp_seconds{ip_family="IPv4"}`,
    (r) => r.current("IPv4", at),
    undefined,
    1767323400.5,
  ],
  [
    `${sync}_last_queued_timestamp_seconds{ip_family="IPv4"}`,
    (r) => r.queued("IPv4", at),
    undefined,
    1767323400.5,
  ],
  [`${sync}_service_changes_pending`, (r) => r.changed("service", 3), 0, 3],
  [`${sync}_service_changes_total`, (r) => r.changed("service", 3), 0, 3],
  [`${sync}_endpoint_changes_pending`, (r) => r.changed("endpoint", 4), 0, 4],
  [`${sync}_endpoint_changes_total`, (r) => r.changed("endpoint", 4), 0, 4],
  [
    'kubeproxy_network_programming_duration_seconds_bucket{le="0.25",ip_family="IPv4"}',
    (r) => r.programmed("IPv4", 0.2),
    undefined,
    1,
  ],
  ['kubeproxy_proxy_healthz_total{code="503"}', (r) => r.answered("healthz", 503), undefined, 1],
  ['kubeproxy_proxy_livez_total{code="200"}', (r) => r.answered("livez", 200), undefined, 1],
  ['sluice_publish_latency_seconds_bucket{le="0.00016"}', (r) => r.published(0.0001), 0, 1],
  ['sluice_publish_latency_seconds_bucket{le="0.00008"}', (r) => r.published(0.00005), 0, 1],
  ["sluice_publish_latency_seconds_sum", (r) => r.published(0.25), 0, 0.25],
];

describe("metrics of the publishing loop", () => {
  it.each(loopRows)("%s moves (KP-60, PF-11)", async (name, act, before, after) => {
    const { metrics, scrape } = movable();
    expect((await scrape()).get(name)).toBe(before);
    act(metrics.record);
    expect((await scrape()).get(name)).toBe(after);
  });

  it("has no change pending once it has caught up, and keeps the totals (KP-60)", async () => {
    const { metrics, scrape } = movable();
    metrics.record.changed("service", 2);
    metrics.record.changed("endpoint", 5);
    metrics.record.caughtUp();
    const samples = await scrape();
    expect(samples.get(`${sync}_service_changes_pending`)).toBe(0);
    expect(samples.get(`${sync}_endpoint_changes_pending`)).toBe(0);
    expect(samples.get(`${sync}_endpoint_changes_total`)).toBe(5);
  });
});

const kubeProxyBuckets: [string, number[]][] = [
  [
    "kubeproxy_sync_proxy_rules_duration_seconds",
    [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 16.384],
  ],
  [
    "kubeproxy_network_programming_duration_seconds",
    [0.25, 0.5, 1, 2, 30, 59, 60, 65, 115, 120, 150, 180, 210, 240, 270, 300],
  ],
];

describe("buckets", () => {
  it.each(kubeProxyBuckets)("of %s hold kube-proxy's own (KP-60)", async (name, bounds) => {
    const { metrics, scrape } = movable();
    metrics.record.synced("IPv4", "full", 0);
    metrics.record.programmed("IPv4", 0);
    const samples = await scrape();
    for (const le of bounds) {
      expect(samples.get(`${name}_bucket{le="${le}",ip_family="IPv4"}`)).toBe(1);
    }
  });
});

const web = 'namespace="shop",name="web",port="http",protocol="TCP",family="IPv4"';

const trafficRows: [string, number][] = [
  [`sluice_service_connections_total{${web}}`, 71],
  [`sluice_service_datagrams_total{${web}}`, 72],
  [`sluice_service_refused_total{${web}}`, 73],
  [`sluice_service_affinity_total{${web}}`, 74],
  [`sluice_service_unremembered_total{${web}}`, 75],
  [`sluice_service_denied_total{${web}}`, 76],
  [`sluice_service_request_packets_total{${web}}`, 77],
  [`sluice_service_request_bytes_total{${web}}`, 7_800],
  [`sluice_service_reply_packets_total{${web}}`, 79],
  [`sluice_service_reply_bytes_total{${web}}`, 8_000],
  [
    'sluice_service_refused_total{namespace="shop",name="web",port="http",protocol="TCP",family="IPv6"}',
    5,
  ],
  [
    'sluice_service_datagrams_total{namespace="kube-system",name="dns",port="",protocol="UDP",family="IPv4"}',
    8,
  ],
];

describe("metrics of the traffic", () => {
  it.each(trafficRows)("%s comes from the maps (PF-11)", async (name, after) => {
    const { move, scrape } = movable();
    expect((await scrape()).get(name)).toBeUndefined();
    move({ traffic: services });
    expect((await scrape()).get(name)).toBe(after);
  });
});

describe("the number of samples", () => {
  const size = async (traffic: readonly TrafficReport[], current: AgentStatus) => {
    const { move, scrape } = movable();
    move({ status: current, traffic });
    return (await scrape()).size;
  };

  it("grows by 10 for each Service port and family, and by 1 for each that fails (PF-11)", async () => {
    const [port] = services;
    const many = Array.from({ length: 20_000 }, (_, n) => ({ ...port!, name: `web-${n}` }));
    const [failure] = status.failures;
    const failures = Array.from({ length: 50 }, (_, n) => ({ ...failure!, service: `a/b:${n}` }));
    const few = await size([], { ...status, failures: [] });
    expect(await size(many, { ...status, failures })).toBe(few + 200_000 + 50);
    const { sync } = status;
    const full = { ...sync, services: 20_000, frontends: 60_000, backends: 200_000 };
    expect(await size([], { ...status, failures: [], sync: full })).toBe(few);
  });
});

describe("help", () => {
  it.each([
    ["sluice_packets_total", `at most ${Reason.REASONS} reasons for each served device`],
    ["sluice_flows_expired_total", `${Object.keys(expired).length} states`],
    ["sluice_audit_repairs_total", `${auditedMaps.length} maps`],
    ["sluice_readiness", `${readinessOf(status).length} checks`],
  ])("of %s says how many samples there may be: %s (PF-11)", async (name, bound) => {
    const text = await movable().metrics.text();
    expect(new RegExp(`^# HELP ${name} (.*)$`, "m").exec(text)?.[1]).toContain(bound);
  });
});

describe("metrics of the process", () => {
  it("are there", async () => {
    const samples = await movable().scrape();
    expect(samples.get("process_resident_memory_bytes")).toBeGreaterThan(1_000_000);
  });
});

describe("text form", () => {
  it("declares each metric once, with help and type, and repeats no sample", async () => {
    const { metrics, move } = movable();
    move({ status, traffic: services });
    const lines = (await metrics.text()).split("\n").filter((line) => line !== "");
    const declared = lines.flatMap((line) => /^# TYPE (\S+)/.exec(line)?.[1] ?? []);
    expect(new Set(declared).size).toBe(declared.length);
    const samples = lines.filter((line) => !line.startsWith("#"));
    expect(samplesOf(lines.join("\n")).size).toBe(samples.length);
    for (const sample of samples) {
      const name = sample.split(/[{ ]/, 1)[0]!.replace(/_(bucket|sum|count)$/, "");
      expect(declared.some((it) => it === name || sample.startsWith(it))).toBe(true);
    }
  });

  /** Name, type and labels of each metric that is not the process's own. */
  const declared = async (): Promise<string[]> => {
    const { metrics, move } = movable();
    move({ status, traffic: services });
    for (const [, act] of loopRows) act(metrics.record);
    const text = await metrics.text();
    return [...text.matchAll(/^# TYPE ((?:sluice|kubeproxy)_\S+) (\S+)$/gm)].map(
      ([, name, type]) => {
        const sample = new RegExp(`^${name}(?:_count)?(?:{(.*)})? `, "m").exec(text);
        const labels = [...(sample?.[1] ?? "").matchAll(/([a-z_]+)=/g)].map(([, label]) => label);
        return `${type} ${name}{${labels.join()}}`;
      },
    );
  };

  it("has a test above that sees each of our metrics move (PF-11)", async () => {
    const rows = [...statusRows, ...gapRows, ...loopRows, ...trafficRows].map(([name]) => name);
    const moved = rows.map((name) => name.split("{", 1)[0]?.replace(/_(bucket|sum|count)$/, ""));
    const names = (await declared()).map((line) => line.split(/[ {]/)[1]);
    expect(names.filter((name) => !moved.includes(name))).toEqual([]);
  });

  it("keeps every name, type and label that dashboards may use (KP-60)", async () => {
    expect((await declared()).toSorted()).toEqual([
      "counter kubeproxy_proxy_healthz_total{code}",
      "counter kubeproxy_proxy_livez_total{code}",
      "counter kubeproxy_sync_proxy_rules_endpoint_changes_total{}",
      "counter kubeproxy_sync_proxy_rules_service_changes_total{}",
      "counter sluice_audit_repairs_total{map}",
      "counter sluice_audits_total{}",
      "counter sluice_events_total{outcome}",
      "counter sluice_flows_expired_total{state}",
      "counter sluice_map_writes_total{map}",
      "counter sluice_packet_bytes_total{device,reason}",
      "counter sluice_packets_total{device,reason}",
      "counter sluice_probe_failures_total{}",
      "counter sluice_programs_reattached_total{program,device}",
      "counter sluice_service_affinity_total{namespace,name,port,protocol,family}",
      "counter sluice_service_connections_total{namespace,name,port,protocol,family}",
      "counter sluice_service_datagrams_total{namespace,name,port,protocol,family}",
      "counter sluice_service_denied_total{namespace,name,port,protocol,family}",
      "counter sluice_service_refused_total{namespace,name,port,protocol,family}",
      "counter sluice_service_reply_bytes_total{namespace,name,port,protocol,family}",
      "counter sluice_service_reply_packets_total{namespace,name,port,protocol,family}",
      "counter sluice_service_request_bytes_total{namespace,name,port,protocol,family}",
      "counter sluice_service_request_packets_total{namespace,name,port,protocol,family}",
      "counter sluice_service_unremembered_total{namespace,name,port,protocol,family}",
      "counter sluice_source_lists_total{resource}",
      "counter sluice_source_reconnects_total{resource}",
      "counter sluice_stale_sockets_destroyed_total{}",
      "gauge kubeproxy_sync_proxy_rules_endpoint_changes_pending{}",
      "gauge kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family}",
      "gauge kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family}",
      "gauge kubeproxy_sync_proxy_rules_no_local_endpoints_total{traffic_policy,ip_family}",
      "gauge kubeproxy_sync_proxy_rules_service_changes_pending{}",
      "gauge sluice_build_info{version,kernel_release}",
      "gauge sluice_failures{}",
      "gauge sluice_feature_enabled{feature}",
      "gauge sluice_flow_sweep_seconds{}",
      "gauge sluice_flows_max{}",
      "gauge sluice_flows{}",
      "gauge sluice_foreign_proxy{evidence}",
      "gauge sluice_map_capacity{map}",
      "gauge sluice_map_entries{map}",
      "gauge sluice_map_memory_bytes{map}",
      "gauge sluice_objects{kind}",
      "gauge sluice_probe_success{family}",
      "gauge sluice_program_attached{program}",
      "gauge sluice_readiness{check}",
      "gauge sluice_ready{}",
      "gauge sluice_retries_pending{}",
      "gauge sluice_service_failing{service}",
      "gauge sluice_source_failing{resource}",
      "gauge sluice_source_objects{resource}",
      "gauge sluice_source_problems{}",
      "gauge sluice_source_synced{resource}",
      "gauge sluice_watch_age_seconds{resource}",
      "histogram kubeproxy_network_programming_duration_seconds{ip_family}",
      "histogram kubeproxy_sync_full_proxy_rules_duration_seconds{ip_family}",
      "histogram kubeproxy_sync_partial_proxy_rules_duration_seconds{ip_family}",
      "histogram kubeproxy_sync_proxy_rules_duration_seconds{ip_family}",
      "histogram sluice_publish_latency_seconds{}",
    ]);
  });
});
