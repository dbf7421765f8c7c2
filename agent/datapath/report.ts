import type { FrontendKind } from "../compile/records.ts";
import type { IpFamily, Protocol } from "../model/address.ts";
import type { Algorithm } from "../model/service.ts";

/** A program of the object, and whether the kernel runs it for us. */
export interface ProgramReport {
  readonly name: string;
  readonly attached: boolean;
  /** Why it is not attached. */
  readonly reason?: string;
}

/** Something that the datapath does only where the kernel can (PF-07). */
export interface FeatureReport {
  readonly name: string;
  readonly state: "on" | "off";
  readonly reason: string;
}

/** How full a map is (PF-08). */
export interface MapReport {
  readonly name: string;
  readonly entries: number;
  readonly capacity: number;
  readonly memoryBytes: number;
}

/** Summed over the CPUs. */
export interface StatsReport {
  readonly connections: number;
  readonly datagrams: number;
  readonly refused: number;
  /** Selections that session affinity decided. */
  readonly affinity: number;
  /** Translations for which no memory was left: the client may see its backend's address. */
  readonly unremembered: number;
  /** Outside the source ranges of the Service (KP-24). */
  readonly denied: number;
  /** Translated per packet, from client to backend; bytes from the network header on. */
  readonly requestPackets: number;
  readonly requestBytes: number;
  readonly replyPackets: number;
  readonly replyBytes: number;
}

/** Whose it is, and what went through it. */
export interface TrafficReport {
  readonly namespace: string;
  readonly name: string;
  readonly portName: string;
  readonly protocol: Protocol;
  readonly family: IpFamily;
  readonly stats: StatsReport;
}

export interface FrontendReport {
  readonly kind: FrontendKind;
  /** Of a NodePort: "0.0.0.0" or "::", which stand for every NodePort address of the node. */
  readonly address: string;
  readonly port: number;
  /** Open to the Service's source ranges only (KP-24). */
  readonly limited: boolean;
}

export interface BackendReport {
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
  /** Of the slice: its share of them is that of new connections. */
  readonly slots: number;
}

/** One Service port in one IP family, as the kernel holds it. */
export interface ServiceReport extends TrafficReport {
  readonly port: number;
  /** Index into the `services` map. */
  readonly index: number;
  readonly frontends: readonly FrontendReport[];
  /** ClusterIPs that are none of them, since a device of this node has them (PF-45); as the agent says. */
  readonly leftToNode?: readonly { readonly address: string; readonly device: string }[];
  /** 0: no session affinity. */
  readonly affinityTimeoutSeconds: number;
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
  readonly algorithm: Algorithm;
  /** CIDRs that the limited frontends are open to. */
  readonly sourceRanges: readonly string[];
  /** Endpoints from which connections are spread over the cluster (KP-12). */
  readonly cluster: readonly BackendReport[];
  /** Endpoints from which connections are spread over this node (KP-13). */
  readonly local: readonly BackendReport[];
}
