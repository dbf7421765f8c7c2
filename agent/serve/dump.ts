import type { DeviceReport } from "../datapath/device_report.ts";
import type { FlowsReport } from "../datapath/flow_report.ts";
import type { PacketCountReport } from "../datapath/packet_counts.ts";
import type {
  FeatureReport,
  MapReport,
  ProgramReport,
  ServiceReport,
  TrafficReport,
} from "../datapath/report.ts";
import type { EventCounts } from "../events/recorder.ts";
import type { IpFamily } from "../model/address.ts";
import type { Resource } from "../model/event.ts";
import type { ProxyRules } from "../network/service_proxies.ts";
import type { SourceProblem, SourceStatus } from "../sources/source.ts";

/**
 * What the agent tells about itself, as plain JSON: the debug socket sends it, the command prints
 * it, and metrics are collected from it. Times are ISO 8601 text; null: not yet, or none.
 */
export interface AgentStatus {
  readonly version: string;
  readonly node: { readonly name: string; readonly zone: string | null };
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  readonly kernelRelease: string;
  readonly source: SourceDump;
  readonly datapath: DatapathStatus;
  readonly sync: SyncStatus;
  readonly probe: ProbeDump;
  /** Whether what is programmed is complete and current, and what speaks against it. */
  readonly readiness: readonly ReadinessCheck[];
  /** Service ports that the kernel does not hold as they should be; retried with backoff. */
  readonly failures: readonly FailureDump[];
  /** ClusterIPs that are not served here, since a device of this node has them (PF-45). */
  readonly leftToNode: readonly LeftToNodeDump[];
  /** Other service proxies on the node, or what they have left (PF-41). */
  readonly foreignProxies: readonly ForeignProxyDump[];
  /** Events about what an operator must know, since the start; null: the source takes none. */
  readonly events: EventCounts | null;
  /** Objects of the source that were left out, devices that cannot be served, and why. */
  readonly problems: readonly SourceProblem[];
}

/** Whether connections to Services are translated, as seen by making some (PF-06). */
export interface ProbeDump {
  /** "off": nothing can be seen from where the agent is; its programs are still looked after. */
  readonly state: "starting" | "ok" | "failed" | "off";
  /** When it came to that state. */
  readonly since: string;
  /** Of "failed" and "off": what is wrong, or missing for it. */
  readonly reason: string | null;
  /** Those that connections are made in. */
  readonly families: readonly ProbeFamilyDump[];
  /** Rounds that failed since the start. */
  readonly failures: number;
}

export interface ProbeFamilyDump {
  readonly family: IpFamily;
  readonly success: boolean;
}

/** One of the things that make what is programmed complete and current. */
export interface ReadinessCheck {
  readonly name: "listed" | "confirmed" | "programmed" | "attached" | "probe";
  readonly healthy: boolean;
  /** Why it is not; null: it is. */
  readonly reason: string | null;
}

export interface LeftToNodeDump {
  /** NAMESPACE/NAME */
  readonly service: string;
  readonly address: string;
  readonly device: string;
}

export interface ForeignProxyDump {
  readonly evidence: ProxyRules | "healthz_port" | "metrics_port";
  readonly what: string;
}

export interface SourceDump {
  readonly kind: SourceStatus["kind"];
  readonly target: string;
  readonly resources: readonly ResourceDump[];
}

export interface ResourceDump {
  readonly resource: Resource;
  readonly synced: boolean;
  readonly objects: number;
  readonly lists: number;
  readonly lastEventAt: string | null;
  /**
   * Since what is held was last known to be what the API server has; null: never, or of a folder.
   */
  readonly confirmedSecondsAgo: number | null;
  /** The API server does not have the resource, or not for us, and everything else works without. */
  readonly withheld: boolean;
  readonly error: string | null;
}

export interface DatapathStatus {
  readonly pinPath: string;
  readonly cgroupPath: string;
  readonly programs: readonly ProgramReport[];
  /** How often each was found detached by somebody, and attached again, since the start. */
  readonly reattached: readonly ReattachedDump[];
  /** What the per-packet programs are attached to; by interface index. */
  readonly devices: readonly DeviceReport[];
  readonly features: readonly FeatureReport[];
  readonly flows: FlowsReport;
  /** What became of packets, beside the translated ones of established flows. */
  readonly packets: readonly PacketCountReport[];
  readonly maps: readonly MapReport[];
}

export interface ReattachedDump {
  readonly program: string;
  /** Null: at the cgroup. */
  readonly device: string | null;
  readonly count: number;
}

export interface SyncStatus {
  /** Everything that the source held at the start has been published. */
  readonly ready: boolean;
  readonly services: number;
  readonly frontends: number;
  readonly backends: number;
  readonly lastPublishedAt: string | null;
  /** From parsed event to published, over the most recent changes. */
  readonly publishLatency: LatencyDump;
  readonly pendingRetries: number;
  /** Entries written to each map since the start. */
  readonly writes: WriteCounts;
  /** Service ports that a Local policy leaves without an endpoint on this node (KP-14). */
  readonly noLocalEndpoints: readonly LocalGapDump[];
  /** Sockets destroyed since the start because their backend had gone (PF-20). */
  readonly staleSocketsDestroyed: number;
  readonly audits: AuditDump;
}

/** Comparisons of the maps with what was written into them, since the start (KP-54). */
export interface AuditDump {
  readonly count: number;
  readonly lastAt: string | null;
  /** By map, what was found to be other than it was written, and mended. */
  readonly repairs: Readonly<Record<string, number>>;
}

/** How many Service ports, by policy and family: always all four. */
export interface LocalGapDump {
  readonly policy: "internal" | "external";
  readonly family: IpFamily;
  readonly count: number;
}

export interface LatencyDump {
  readonly p50Microseconds: number;
  readonly p99Microseconds: number;
  readonly maxMicroseconds: number;
}

export interface WriteCounts {
  readonly frontends: number;
  readonly services: number;
  readonly slots: number;
  readonly backends: number;
  readonly names: number;
}

export interface FailureDump {
  /** NAMESPACE/NAME:PORTNAME/PROTOCOL/FAMILY, or what else failed. */
  readonly service: string;
  /** A map is full, another Service has the address and port, or the kernel refused a write. */
  readonly code: "full" | "conflict" | "write";
  readonly message: string;
  readonly since: string;
  readonly retries: number;
}

/** The running agent, as its servers see it. Every call reads afresh and changes nothing. */
export interface AgentView {
  status(): AgentStatus;
  services(): readonly ServiceReport[];
  /** Every port and family of one Service; empty where there is none of that name. */
  service(namespace: string, name: string): readonly ServiceReport[];
  /** As `services`, without what takes time to read: called on each scrape of the metrics. */
  traffic(): readonly TrafficReport[];
}

/** A source's status as plain JSON, without its problems; `now` is milliseconds since 1970. */
export function dumpSource({ kind, target, resources }: SourceStatus, now: number): SourceDump {
  return {
    kind,
    target,
    resources: resources.map(({ lastEventAt, confirmedAt, withheld, error, ...rest }) => ({
      ...rest,
      lastEventAt: lastEventAt?.toISOString() ?? null,
      confirmedSecondsAgo: confirmedAt === undefined ? null : (now - confirmedAt.getTime()) / 1000,
      withheld: withheld ?? false,
      error: error ?? null,
    })),
  };
}
