import { Counter, exponentialBuckets, Gauge, Histogram, type Registry } from "prom-client";
import type { IpFamily } from "../model/address.ts";
import type { HealthProbe } from "./health_server.ts";

/** Told by the publishing loop as it goes. Times are milliseconds since the epoch. */
export interface SyncRecorder {
  /** Changes arrived that are not published yet. */
  changed(kind: ChangeKind, count: number): void;
  /** A family's first waiting change arrived. */
  queued(family: IpFamily, now: number): void;
  /** What waited in this family has been published; it took so long. */
  synced(family: IpFamily, scope: SyncScope, durationSeconds: number): void;
  /** Nothing is left to be published in this family. */
  current(family: IpFamily, now: number): void;
  /** Nothing is waiting any more, in any family. */
  caughtUp(): void;
  /** One change was published so long after its event had been parsed. */
  published(latencySeconds: number): void;
  /** One endpoint was published so long after the time that its slice gives for the change. */
  programmed(family: IpFamily, latencySeconds: number): void;
  /** A health probe was answered. */
  answered(probe: HealthProbe, status: number): void;
}

/** `full`: all that the source held at the start; `partial`: the changes since. */
export type SyncScope = "full" | "partial";

export type ChangeKind = "service" | "endpoint";

/**
 * Metrics of publishing under kube-proxy's names (KP-60), so that its dashboards can stay. Buckets
 * are kube-proxy's and finer ones below them: sums over nodes with either proxy stay right.
 */
export function createSyncMetrics(registry: Registry): SyncRecorder {
  const registers = [registry];
  const family = { registers, labelNames: ["ip_family"] as const };
  const sync = "kubeproxy_sync_proxy_rules";
  const buckets = exponentialBuckets(0.001 / 2 ** 6, 2, 6 + 15);
  const duration = new Histogram({
    ...family,
    name: `${sync}_duration_seconds`,
    help: "Time to publish the changes that waited",
    buckets,
  });
  const ofScope = {
    full: new Histogram({
      ...family,
      name: "kubeproxy_sync_full_proxy_rules_duration_seconds",
      help: "Time to publish all that the source held at the start",
      buckets,
    }),
    partial: new Histogram({
      ...family,
      name: "kubeproxy_sync_partial_proxy_rules_duration_seconds",
      help: "Time to publish the changes that waited, after the start",
      buckets,
    }),
  };
  const programming = new Histogram({
    ...family,
    name: "kubeproxy_network_programming_duration_seconds",
    help: "Time from an endpoint's change trigger time to its publication",
    buckets: [
      0.01,
      0.05,
      0.1,
      0.25,
      0.5,
      ...steps(1, 59, 1),
      ...steps(60, 115, 5),
      ...steps(120, 300, 30),
    ],
  });
  const lastSync = new Gauge({
    ...family,
    name: `${sync}_last_timestamp_seconds`,
    help: "When changes were last published",
  });
  const lastQueued = new Gauge({
    ...family,
    name: `${sync}_last_queued_timestamp_seconds`,
    help: "When changes last began to wait",
  });
  const pending = changeMetrics((kind) => {
    const name = `${sync}_${kind}_changes_pending`;
    return new Gauge({ registers, name, help: `Changes of kind ${kind} that wait` });
  });
  const total = changeMetrics((kind) => {
    const name = `${sync}_${kind}_changes_total`;
    return new Counter({ registers, name, help: `Changes of kind ${kind} since the start` });
  });
  const latency = new Histogram({
    registers,
    name: "sluice_publish_latency_seconds",
    help: "Time from a parsed event to its publication in the kernel",
    buckets: exponentialBuckets(0.00001, 2, 18),
  });
  const probes = probeMetrics(registry);
  return {
    changed: (kind, count) => {
      pending[kind].inc(count);
      total[kind].inc(count);
    },
    queued: (ip_family, now) => lastQueued.set({ ip_family }, now / 1000),
    synced: (ip_family, scope, durationSeconds) => {
      duration.observe({ ip_family }, durationSeconds);
      ofScope[scope].observe({ ip_family }, durationSeconds);
    },
    current: (ip_family, now) => lastSync.set({ ip_family }, now / 1000),
    caughtUp: () => {
      pending.service.set(0);
      pending.endpoint.set(0);
    },
    published: (latencySeconds) => latency.observe(latencySeconds),
    programmed: (ip_family, seconds) => programming.observe({ ip_family }, seconds),
    answered: (probe, status) => probes[probe].inc({ code: `${status}` }),
  };
}

const steps = (from: number, to: number, by: number): number[] =>
  Array.from({ length: (to - from) / by + 1 }, (_, n) => from + n * by);

function changeMetrics<Metric>(make: (kind: ChangeKind) => Metric): Record<ChangeKind, Metric> {
  return { service: make("service"), endpoint: make("endpoint") };
}

function probeMetrics(registry: Registry): Record<HealthProbe, Counter<"code">> {
  const make = (probe: HealthProbe) =>
    new Counter({
      registers: [registry],
      name: `kubeproxy_proxy_${probe}_total`,
      help: `Answers of /${probe} by HTTP status`,
      labelNames: ["code"] as const,
    });
  return { healthz: make("healthz"), livez: make("livez") };
}
