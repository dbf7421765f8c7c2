import type { IpFamily, Protocol } from "../model/address.ts";
import type { Resource } from "../model/event.ts";
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
  /** Service ports that the kernel does not hold as they should be; retried with backoff. */
  readonly failures: readonly FailureDump[];
  /** Objects of the source that were left out, and why. */
  readonly problems: readonly SourceProblem[];
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
  readonly error: string | null;
}

export interface DatapathStatus {
  readonly pinPath: string;
  readonly cgroupPath: string;
  readonly programs: readonly ProgramDump[];
  readonly features: readonly FeatureDump[];
  readonly maps: readonly MapDump[];
}

export interface ProgramDump {
  readonly name: string;
  readonly attached: boolean;
  /** Why it is not attached. */
  readonly reason?: string;
}

/** Something that the datapath does only where the kernel can (PF-07). */
export interface FeatureDump {
  readonly name: string;
  readonly state: "on" | "off";
  readonly reason: string;
}

/** How full a map is (PF-08). */
export interface MapDump {
  readonly name: string;
  readonly entries: number;
  readonly capacity: number;
  readonly memoryBytes: number;
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
  /** Sockets destroyed since the start because their backend had gone (PF-20). */
  readonly staleSocketsDestroyed: number;
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
}

export interface FailureDump {
  /** NAMESPACE/NAME:PORTNAME/PROTOCOL/FAMILY, or what else failed. */
  readonly service: string;
  readonly message: string;
  readonly since: string;
  readonly retries: number;
}

/** Whose it is, and what went through it. */
export interface ServiceTraffic {
  readonly namespace: string;
  readonly name: string;
  readonly portName: string;
  readonly protocol: Protocol;
  readonly family: IpFamily;
  readonly stats: StatsDump;
}

/** Summed over the CPUs. */
export interface StatsDump {
  readonly connections: number;
  readonly datagrams: number;
  readonly refused: number;
  /** Selections that session affinity decided. */
  readonly affinity: number;
}

/** One Service port in one IP family, as the kernel holds it. */
export interface ServiceDump extends ServiceTraffic {
  readonly port: number;
  /** Index into the `services` map. */
  readonly index: number;
  readonly frontends: readonly FrontendDump[];
  /** 0: no session affinity. */
  readonly affinityTimeoutSeconds: number;
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
  /** Endpoints from which connections are spread over the cluster (KP-12). */
  readonly cluster: readonly BackendDump[];
  /** Endpoints from which connections are spread over this node (KP-13). */
  readonly local: readonly BackendDump[];
}

export interface FrontendDump {
  readonly address: string;
  readonly port: number;
  /** Unknown where it was read from the maps alone. */
  readonly kind?: "ClusterIP" | "ExternalIP" | "LoadBalancer" | "NodePort";
}

export interface BackendDump {
  readonly address: string;
  readonly port: number;
  /** Index into the `backends` map. */
  readonly index: number;
  readonly generation: number;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Runs on this node. */
  readonly local: boolean;
}

/** The running agent, as its servers see it. Every call reads afresh and changes nothing. */
export interface AgentView {
  status(): AgentStatus;
  services(): readonly ServiceDump[];
  /** Every port and family of one Service; empty where there is none of that name. */
  service(namespace: string, name: string): readonly ServiceDump[];
  /** As `services`, without what takes time to read: called on each scrape of the metrics. */
  traffic(): readonly ServiceTraffic[];
}

/** A source's status as plain JSON, without its problems. */
export function dumpSource({ kind, target, resources }: SourceStatus): SourceDump {
  return {
    kind,
    target,
    resources: resources.map(({ lastEventAt, error, ...rest }) => ({
      ...rest,
      lastEventAt: lastEventAt?.toISOString() ?? null,
      error: error ?? null,
    })),
  };
}
