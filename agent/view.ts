import { kernelVersion } from "libbpf-ts";
import { version } from "./assets.ts";
import type { LocalGap } from "./compile/local_gap.ts";
import type { AgentConfig } from "./config/settings.ts";
import type { Datapath } from "./datapath/open.ts";
import { readPacketCounts } from "./datapath/packet_counts.ts";
import { readServices, readTraffic } from "./datapath/read.ts";
import type { FeatureReport, ServiceReport } from "./datapath/report.ts";
import type { StaleSocketHunt } from "./datapath/stale_socket_hunt.ts";
import type { EventRecorder } from "./events/recorder.ts";
import type { Flows } from "./flows.ts";
import type { ForeignProxies } from "./foreign_proxies.ts";
import type { LatencyWindow } from "./latency.ts";
import { familyOf } from "./model/ip.ts";
import { objectKey } from "./model/key.ts";
import type { NodeWatch } from "./node_watch.ts";
import { strayCgroup } from "./probe/cgroup.ts";
import type { Probe } from "./probe/probe.ts";
import type { AuditCounts, Auditor } from "./reconcile/auditor.ts";
import type { StandingFailure } from "./reconcile/failure_log.ts";
import type { Loop } from "./reconcile/loop.ts";
import type { Reconciler } from "./reconcile/reconciler.ts";
import {
  type AgentStatus,
  type AgentView,
  type AuditDump,
  dumpSource,
  type FailureDump,
  type LocalGapDump,
  type ProbeDump,
  type ReattachedDump,
  type SyncStatus,
} from "./serve/dump.ts";
import { readinessOf } from "./serve/readiness.ts";
import { systemClock } from "./sources/clock.ts";
import type { Source } from "./sources/source.ts";

/** The parts of a running agent. */
export interface Parts {
  readonly config: AgentConfig;
  readonly cgroupPath: string;
  readonly datapath: Datapath;
  readonly reconciler: Reconciler;
  readonly loop: Loop;
  readonly source: Source;
  readonly latency: LatencyWindow;
  readonly hunt: StaleSocketHunt | undefined;
  readonly nodeWatch: NodeWatch;
  readonly auditor: Auditor;
  readonly flows: Flows;
  readonly probe: Probe;
  readonly foreignProxies: ForeignProxies;
  /** Undefined: the source has nowhere to put them. */
  readonly events: EventRecorder | undefined;
  readonly startedAt: Date;
}

export function viewOf(parts: Parts): AgentView {
  const { datapath } = parts;
  const services = () =>
    readServices(datapath.maps, datapath.stats).map((it) => withLeftToNode(it, parts.loop));
  return {
    status: () => statusOf(parts),
    services,
    service: (namespace, name) =>
      services().filter((each) => each.namespace === namespace && each.name === name),
    traffic: () => readTraffic(datapath.maps, datapath.stats),
  };
}

/** What is left to the node stands in no map. */
function withLeftToNode(service: ServiceReport, { leftToNode }: Loop): ServiceReport {
  const { namespace, name, family } = service;
  const left = leftToNode.get(objectKey(namespace, name)) ?? [];
  const own = left.filter(({ address }) => familyOf(address) === family);
  return own.length === 0 ? service : { ...service, leftToNode: own };
}

function statusOf(parts: Parts): AgentStatus {
  const { config, loop, source, startedAt } = parts;
  const { failures, problems } = loop.status();
  const sourceStatus = source.status();
  const facts = {
    source: dumpSource(sourceStatus, systemClock.now()),
    datapath: datapathStatus(parts),
    sync: syncStatus(parts),
    probe: probeStatus(parts),
    failures: failures.map(dumpFailure),
  };
  return {
    version,
    node: { name: config.nodeName, zone: loop.store.node?.zone ?? null },
    startedAt: startedAt.toISOString(),
    uptimeSeconds: Math.round((Date.now() - startedAt.getTime()) / 1000),
    kernelRelease: kernelVersion().release,
    ...facts,
    readiness: readinessOf(facts),
    leftToNode: [...loop.leftToNode].flatMap(([service, left]) =>
      left.map((it) => ({ service, ...it })),
    ),
    foreignProxies: parts.foreignProxies.found,
    events: parts.events?.counts ?? null,
    problems: [
      ...sourceStatus.problems,
      ...problems.map(({ target, message }) => ({ target, message })),
      ...cgroupProblems(parts),
      ...parts.nodeWatch.problems(),
      ...parts.foreignProxies.found.map(({ what }) => ({
        target: "another service proxy",
        message: what,
      })),
    ],
  };
}

const dumpFailure = ({ key, since, ...rest }: StandingFailure): FailureDump => ({
  ...rest,
  service: key,
  since: new Date(since).toISOString(),
});

function cgroupProblems({ config, cgroupPath }: Parts) {
  const message = strayCgroup(cgroupPath, config.cgroupPath !== undefined);
  return message === undefined ? [] : [{ target: "cgroup", message }];
}

function probeStatus({ probe }: Parts): ProbeDump {
  const { state, since, reason, families, failures } = probe.report();
  return { state, since: new Date(since).toISOString(), reason, families, failures };
}

function reattached({ probe, datapath }: Parts): readonly ReattachedDump[] {
  const atCgroup = [...probe.report().reattached].map(([program, count]) => {
    return { program, device: null, count };
  });
  return [...atCgroup, ...datapath.devices.reattached()];
}

function probeFeature({ probe }: Parts): FeatureReport {
  const { state, reason } = probe.report();
  const name = "probe";
  if (state === "off") return { name, state, reason: `probe off: ${reason}` };
  return { name, state: "on", reason: "connections of the agent's own are translated or not" };
}

function datapathStatus(parts: Parts) {
  const { config, cgroupPath, datapath, reconciler, flows } = parts;
  const usage = Object.entries(reconciler.usage);
  const devices = datapath.devices.report();
  return {
    pinPath: config.pinPath,
    cgroupPath,
    programs: datapath.programs(),
    devices,
    reattached: reattached(parts),
    features: [...datapath.features, probeFeature(parts)],
    flows: flows.status(),
    packets: readPacketCounts(
      datapath.packetCounts,
      (index) => devices.find((device) => device.index === index)?.name,
    ),
    maps: usage.map(([name, { entries, capacity }]) => ({
      name,
      entries,
      capacity,
      memoryBytes: datapath.memoryBytes(name),
    })),
  };
}

function syncStatus({ loop, reconciler, latency, hunt, auditor }: Parts): SyncStatus {
  const { ready, lastPublishedAt, failures } = loop.status();
  const { usage, writes } = reconciler;
  return {
    ready,
    services: usage.services.entries,
    frontends: reconciler.frontends,
    backends: usage.backends.entries,
    lastPublishedAt: lastPublishedAt === undefined ? null : new Date(lastPublishedAt).toISOString(),
    publishLatency: latency.read(),
    pendingRetries: failures.length,
    writes,
    noLocalEndpoints: countGaps(loop.localGaps),
    staleSocketsDestroyed: hunt?.destroyed ?? 0,
    audits: dumpAudits(auditor.counts),
  };
}

function countGaps(gaps: readonly LocalGap[]): readonly LocalGapDump[] {
  return (["internal", "external"] as const).flatMap((policy) =>
    (["IPv4", "IPv6"] as const).map((family) => {
      const alike = gaps.filter((gap) => gap.policy === policy && gap.family === family);
      return { policy, family, count: alike.length };
    }),
  );
}

const dumpAudits = ({ audits, lastAt, repairs }: AuditCounts): AuditDump => ({
  count: audits,
  lastAt: lastAt === undefined ? null : new Date(lastAt).toISOString(),
  repairs,
});
