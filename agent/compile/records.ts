import type { IpFamily, Protocol } from "../model/address.ts";

/** Whose record it is: one Service port in one family. `compile/key.ts` spells it as one string. */
export interface ServicePortId {
  readonly namespace: string;
  readonly name: string;
  readonly portName: string;
  readonly protocol: Protocol;
  readonly family: IpFamily;
}

/** An address and port at which a Service port answers. */
export interface Frontend {
  readonly kind: "ClusterIP" | "ExternalIP" | "LoadBalancer" | "NodePort";
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
}
