import type { IpFamily, Protocol } from "../model/address.ts";
import type { Algorithm } from "../model/service.ts";

/** Whose record it is: one Service port in one family. `compile/key.ts` spells it as one string. */
export interface ServicePortId {
  readonly namespace: string;
  readonly name: string;
  readonly portName: string;
  readonly protocol: Protocol;
  readonly family: IpFamily;
}

export type FrontendKind = "ClusterIP" | "ExternalIP" | "LoadBalancer" | "NodePort";

/** An address and port at which a Service port answers. */
export interface Frontend {
  readonly kind: FrontendKind;
  /** Of a NodePort: "0.0.0.0" or "::", for every NodePort address of the node (KP-26). */
  readonly address: string;
  readonly port: number;
}

/** An endpoint that at least one slice of the Service port selects. */
export interface Backend {
  readonly address: string;
  readonly port: number;
  readonly inCluster: boolean;
  readonly inLocal: boolean;
  /** Runs on this node. */
  readonly local: boolean;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  /** Its share of new connections, at least 1. */
  readonly weight: number;
}

/** What the kernel should hold for one Service port in one family. */
export interface DesiredService {
  readonly id: ServicePortId;
  /** Of the ClusterIP frontend; for people and for dumps. */
  readonly port: number;
  readonly frontends: readonly Frontend[];
  /** No two share address and port. The order carries no meaning. */
  readonly backends: readonly Backend[];
  readonly affinityTimeoutSeconds: number;
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
  readonly algorithm: Algorithm;
  /** CIDRs that may use the LoadBalancer frontends; canonical; undefined: everyone (KP-24). */
  readonly sourceRanges: readonly string[] | undefined;
}

/** What a healthCheckNodePort answers for (KP-40). */
export interface DesiredHealthCheck {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  /** Distinct addresses of local ready endpoints, by the families in which the Service is served. */
  readonly localEndpoints: Readonly<Partial<Record<IpFamily, number>>>;
}
