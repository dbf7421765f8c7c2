import type { Protocol } from "./address.ts";

export type ServiceType = "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
/** How an endpoint is picked: at random, or by a hash of the flow that every node agrees on. */
export type Algorithm = "random" | "maglev";
export type TrafficPolicy = "Cluster" | "Local";

/** One entry of `spec.ports`. The name is "" where the Service has a single, unnamed port. */
export interface ServicePort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** 0: none. */
  readonly nodePort: number;
}

/** A Service, trimmed to what decides translation. Addresses are in canonical text (RFC 5952). */
export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly type: ServiceType;
  /** One per family; never "None" or "". Empty: nothing is programmed (KP-02). */
  readonly clusterIPs: readonly string[];
  readonly ports: readonly ServicePort[];
  readonly externalIPs: readonly string[];
  /** `status.loadBalancer.ingress[].ip` whose ipMode is absent or VIP (KP-22). */
  readonly loadBalancerIPs: readonly string[];
  readonly internalTrafficPolicy: TrafficPolicy;
  readonly externalTrafficPolicy: TrafficPolicy;
  /** CIDRs as the Service has them, trimmed; empty: no limit (KP-24). */
  readonly loadBalancerSourceRanges: readonly string[];
  /** 0: none (KP-40). */
  readonly healthCheckNodePort: number;
  /** The annotation `sluice.dev/algorithm`. */
  readonly algorithm: Algorithm;
  /** The annotation `sluice.dev/weights`, by endpoint address in canonical text; others have 1. */
  readonly weights: ReadonlyMap<string, number>;
  /** 0: no session affinity. Otherwise ClientIP with this timeout (KP-28). */
  readonly affinityTimeoutSeconds: number;
}
