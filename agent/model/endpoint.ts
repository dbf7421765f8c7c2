import type { IpFamily, Protocol } from "./address.ts";

/** One entry of `ports` of an EndpointSlice; entries without a name or number are gone (KP-03). */
export interface EndpointPort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

/**
 * One endpoint, by its first address (KP-03). Absent conditions have been resolved: ready true,
 * serving true, terminating false.
 */
export interface Endpoint {
  readonly address: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly nodeName: string | undefined;
  /** The annotation `sluice.dev/weight` of its slice; 1 where there is none. 0 drains. */
  readonly weight: number;
  /** `hints.forZones[].name`; undefined: no hint. */
  readonly zoneHints: readonly string[] | undefined;
  /** `hints.forNodes[].name`; undefined: no hint. */
  readonly nodeHints: readonly string[] | undefined;
}

/** An EndpointSlice of address type IPv4 or IPv6, trimmed to what decides translation. */
export interface EndpointSlice {
  readonly namespace: string;
  readonly name: string;
  /** The label `kubernetes.io/service-name`. */
  readonly serviceName: string;
  readonly family: IpFamily;
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly Endpoint[];
  /**
   * When the change happened that the controller wrote this for, as its annotation
   * `endpoints.kubernetes.io/last-change-trigger-time` says. Milliseconds since 1970.
   */
  readonly changedAt?: number;
}
