import { everyKit, type Kit } from "../cases/kit.ts";
import type { Configuration, ServiceSpec } from "../model/configuration.ts";
import {
  behindSmallMtu,
  client,
  client2,
  clusterIp,
  ext0,
  ext1,
  ext2,
  externalIp,
  type Family,
  loadBalancer,
  local0,
  local1,
  node,
  node2Mac,
  type Place,
  peerPod,
  pod0,
  pod1,
  pod2,
  pod3,
  podMac,
  remote0,
  remote1,
  routerMac,
  slowPod,
  smallMac,
  unresolved,
  unroutable,
  unserved,
  type WorldDevice,
} from "../world.ts";

/** Where packets of an address come into the node, and from which neighbour. */
export interface Entrance {
  readonly device: WorldDevice;
  readonly neighbour: string;
  readonly hook: "from_outside" | "from_pod";
}

const outside = (device: WorldDevice, neighbour: string): Entrance => ({
  device,
  neighbour,
  hook: "from_outside",
});

const pod = (device: WorldDevice): Entrance => ({
  device,
  neighbour: podMac(device),
  hook: "from_pod",
});

const places: readonly (readonly [Place, Entrance])[] = [
  [client, outside(ext0, routerMac)],
  [client2, outside(ext0, routerMac)],
  [remote0, outside(ext1, node2Mac)],
  [remote1, outside(ext1, node2Mac)],
  [unresolved, outside(ext1, node2Mac)],
  [behindSmallMtu, outside(ext2, smallMac)],
  [local0, pod(pod0)],
  [local1, pod(pod1)],
  [peerPod, pod(pod2)],
  [slowPod, pod(pod3)],
];

const byAddress = new Map(
  places.flatMap(([place, entrance]) => [
    [place.v4, entrance] as const,
    [place.v6, entrance] as const,
  ]),
);

/** Of an address in text; undefined: the node's own, or nobody's. */
export const entranceOf = (address: string): Entrance | undefined => byAddress.get(address);

export const clients: readonly Place[] = [client, client2, local0, local1, slowPod, peerPod];

/** Every address that means something here. */
export const addressesOf = (family: Family): readonly string[] =>
  [...places.map(([place]) => place), node, clusterIp, externalIp, loadBalancer, unserved].map(
    (place) => place[family],
  );

export interface Target {
  readonly place: Place;
  readonly port: number;
}

export const targets: readonly Target[] = [
  ...[30080, 30081, 30082, 30083, 30084, 30085, 30086].map((port) => ({ place: node, port })),
  { place: clusterIp, port: 80 },
  { place: externalIp, port: 80 },
  { place: loadBalancer, port: 80 },
  { place: unserved, port: 80 },
  { place: node, port: 22 },
];

/** `later`: one backend has gone, and the index of another has been given away (PF-27). */
function servicesOf(k: Kit, later: boolean): readonly ServiceSpec[] {
  const here = { local: true };
  const mixed = [
    k.backend(local0, { local: true, dead: later }),
    later ? k.backend(remote1, { generation: 2 }) : k.backend(remote0),
    k.backend(slowPod, here),
    k.backend(peerPod, here),
    k.backend(unresolved),
  ];
  const at = (port: number, backends: ServiceSpec["backends"], more: Partial<ServiceSpec> = {}) =>
    k.service({ frontends: [k.at("NodePort", node, port)], backends, ...more });
  return [
    at(30080, mixed, { maglev: [4, 3, 2, 1, 0, 2, 3] }),
    at(30081, []),
    at(30082, [k.backend(remote1)], { externalLocal: true }),
    at(30083, mixed, { affinitySeconds: 600 }),
    at(30084, [k.backend(behindSmallMtu)]),
    at(30085, mixed, { maglev: [0, 1, 2, 3, 4, 1, 0] }),
    at(30086, [k.backend(unroutable), k.backend(node, { local: true, port: 9090 })]),
    k.service({
      frontends: [k.at("ClusterIP", clusterIp), k.at("ExternalIP", externalIp)],
      backends: [...mixed, k.backend(local1, here)],
    }),
    k.service({
      frontends: [k.at("LoadBalancer", loadBalancer)],
      backends: mixed,
      sourceRanges: [k.family === "v4" ? "203.0.113.0/25" : "2001:db8:c::/49"],
    }),
  ];
}

const configuration = (later: boolean): Configuration => ({
  services: everyKit.flatMap((k) => servicesOf(k, later)),
  unserved: [unserved.v4, unserved.v6],
});

/** Before and after a change of endpoints. */
export const fuzzConfigurations = [configuration(false), configuration(true)] as const;
