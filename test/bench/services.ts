import type { Backend, DesiredService } from "../../agent/compile/records.ts";
import type { Protocol } from "../../agent/model/address.ts";

/** ClusterIP of the n-th Service, in 10.96.0.0/13. */
export const clusterIP = (n: number): string =>
  `10.${96 + (n >> 16)}.${(n >> 8) & 0xff}.${n & 0xff}`;

export interface ServiceSet {
  readonly count: number;
  readonly protocols: readonly Protocol[];
  /** Every Service has them all: distinct records in the maps, one real server behind. */
  readonly endpoints: readonly { readonly address: string; readonly port: number }[];
}

/** Services 1 to `count` in the namespace bench, each at port 80 of its ClusterIP. */
export function* desiredServices(set: ServiceSet): Generator<DesiredService> {
  const backends = set.endpoints.map(backendAt);
  for (let n = 1; n <= set.count; n++) {
    for (const protocol of set.protocols) {
      yield {
        id: { namespace: "bench", name: `s${n}`, portName: protocol, protocol, family: "IPv4" },
        port: 80,
        frontends: [{ kind: "ClusterIP", address: clusterIP(n), port: 80 }],
        backends,
        affinityTimeoutSeconds: 0,
        internalLocal: false,
        externalLocal: false,
        algorithm: "random",
        sourceRanges: undefined,
      };
    }
  }
}

const backendAt = (at: { readonly address: string; readonly port: number }): Backend => ({
  ...at,
  inCluster: true,
  inLocal: false,
  local: true,
  ready: true,
  serving: true,
  terminating: false,
  weight: 1,
});
