import { DeviceFlag } from "../../bpf/build/layout.ts";

/** The node's network as every packet test finds it; the rig makes it, the model routes by it. */
export interface WorldDevice {
  readonly name: string;
  /** Interface index. */
  readonly index: number;
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
  /** With prefix length; pods' devices have none. */
  readonly addresses: readonly string[];
  /** Source of what is masqueraded by it, in text. */
  readonly v4?: string;
  readonly v6?: string;
  /** enum device_flag; 0: not in `devices`. */
  readonly flags: number;
}

export interface WorldRoute {
  readonly prefix: string;
  readonly device?: string;
  readonly gateway?: string;
  /** Of the next hop; absent: it is not resolved. */
  readonly nextHopMac?: string;
  readonly kind?: "blackhole" | "unreachable";
}

const external = DeviceFlag.EXTERNAL | DeviceFlag.FAST;
const pod = DeviceFlag.POD | DeviceFlag.FAST;

const externalDevice = (index: number, name: string, v4: string, v6: string, mtu = 1500) => ({
  name,
  index,
  mac: `02:00:00:00:00:${index}`,
  mtu,
  addresses: [`${v4}/24`, `${v6}/64`],
  v4,
  v6,
  flags: external,
});

const podDevice = (index: number, name: string, flags: number) => ({
  name,
  index,
  mac: `02:00:00:00:00:${index}`,
  mtu: 1500,
  addresses: [],
  flags,
});

/** Where clients come from. */
export const ext0 = externalDevice(11, "ext0", "192.0.2.1", "2001:db8:0:1::1");
/** Where the other nodes are. */
export const ext1 = externalDevice(12, "ext1", "198.51.100.1", "2001:db8:0:2::1");
/** A hop of the smallest MTU that IPv6 allows. */
export const ext2 = externalDevice(13, "ext2", "198.18.4.1", "2001:db8:0:4::1", 1280);
export const pod0 = podDevice(21, "pod0", pod);
export const pod1 = podDevice(22, "pod1", pod);
/** Reached through redirect_peer. */
export const pod2 = podDevice(23, "pod2", pod | DeviceFlag.PEER);
/** Of a pod that is reached through the stack. */
export const pod3 = podDevice(24, "pod3", DeviceFlag.POD);

export const devices: readonly WorldDevice[] = [ext0, ext1, ext2, pod0, pod1, pod2, pod3];

/** One end of the world in both families, by the MAC address of who hands its packets on. */
export interface Place {
  readonly v4: string;
  readonly v6: string;
}

export type Family = "v4" | "v6";

export const routerMac = "02:00:00:00:01:fe";
export const node2Mac = "02:00:00:00:02:02";
export const smallMac = "02:00:00:00:04:02";
export const podMac = (device: WorldDevice): string => device.mac.replace("02:", "06:");

export const node: Place = { v4: "192.0.2.1", v6: "2001:db8:0:1::1" };
/** An address of the node at which NodePorts do not answer. */
export const otherNodeAddress: Place = { v4: "198.51.100.1", v6: "2001:db8:0:2::1" };
export const client: Place = { v4: "203.0.113.7", v6: "2001:db8:c::7" };
export const client2: Place = { v4: "203.0.113.200", v6: "2001:db8:c:8000::9" };
/** A router on the way to the client. */
export const midRouter: Place = { v4: "203.0.113.1", v6: "2001:db8:c::1" };
/** A router on the way to the remote backends. */
export const innerRouter: Place = { v4: "198.51.100.2", v6: "2001:db8:0:2::2" };
export const local0: Place = { v4: "10.244.1.5", v6: "fd00:10:244:1::5" };
export const local1: Place = { v4: "10.244.1.6", v6: "fd00:10:244:1::6" };
export const peerPod: Place = { v4: "10.244.1.7", v6: "fd00:10:244:1::7" };
export const slowPod: Place = { v4: "10.244.1.8", v6: "fd00:10:244:1::8" };
export const remote0: Place = { v4: "10.244.2.5", v6: "fd00:10:244:2::5" };
export const remote1: Place = { v4: "10.244.2.6", v6: "fd00:10:244:2::6" };
export const unresolved: Place = { v4: "10.244.3.5", v6: "fd00:10:244:3::5" };
export const behindSmallMtu: Place = { v4: "10.244.4.5", v6: "fd00:10:244:4::5" };
export const unroutable: Place = { v4: "10.244.9.5", v6: "fd00:10:244:9::5" };
export const clusterIp: Place = { v4: "10.96.0.10", v6: "fd00:96::10" };
export const externalIp: Place = { v4: "198.18.0.10", v6: "2001:db8:e::10" };
export const loadBalancer: Place = { v4: "198.18.0.20", v6: "2001:db8:e::20" };
/** An address of a Service, at whose other ports nobody answers. */
export const unserved: Place = { v4: "198.18.0.30", v6: "2001:db8:e::30" };

const podRoutes = (
  [
    [pod0, local0],
    [pod1, local1],
    [pod2, peerPod],
    [pod3, slowPod],
  ] as const
).flatMap(([device, place]): WorldRoute[] => [
  { prefix: `${place.v4}/32`, device: device.name, nextHopMac: podMac(device) },
  { prefix: `${place.v6}/128`, device: device.name, nextHopMac: podMac(device) },
]);

const via = (prefix: string, device: string, gateway: string, nextHopMac?: string): WorldRoute => ({
  prefix,
  device,
  gateway,
  ...(nextHopMac === undefined ? {} : { nextHopMac }),
});

/** Apart from those that the devices' own addresses make. */
export const routes: readonly WorldRoute[] = [
  ...podRoutes,
  via("0.0.0.0/0", "ext0", "192.0.2.254", routerMac),
  via("::/0", "ext0", "2001:db8:0:1::fe", routerMac),
  via("10.244.2.0/24", "ext1", "198.51.100.2", node2Mac),
  via("fd00:10:244:2::/64", "ext1", "2001:db8:0:2::2", node2Mac),
  via("10.244.3.0/24", "ext1", "198.51.100.3"),
  via("fd00:10:244:3::/64", "ext1", "2001:db8:0:2::3"),
  via("10.244.4.0/24", "ext2", "198.18.4.2", smallMac),
  via("fd00:10:244:4::/64", "ext2", "2001:db8:0:4::2", smallMac),
  { prefix: "10.244.9.0/24", kind: "unreachable" },
  { prefix: "fd00:10:244:9::/64", kind: "unreachable" },
];
