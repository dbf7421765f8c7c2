import { Attributes } from "libbpf-ts/netlink";

/** A network device as rtnetlink tells of it (RTM_NEWLINK). */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly isUp: boolean;
  readonly isLoopback: boolean;
  /** Whether its frames begin with an Ethernet header (ARPHRD_ETHER). */
  readonly hasMacHeader: boolean;
  /** Bytes, from the network header on. */
  readonly mtu: number;
  /** Of virtual devices: "veth", "vlan", "vxlan", ...; undefined: hardware, or what looks like it. */
  readonly kind: string | undefined;
  /** Index of the device that it is a port of. */
  readonly master: number | undefined;
  /** The kind of that one. */
  readonly masterKind: string | undefined;
  /** Whether the device that it belongs to, a veth's other end for instance, is in another namespace. */
  readonly peerIsElsewhere: boolean;
  /** The root qdisc: "noqueue" where nothing is queued or shaped. */
  readonly qdisc: string | undefined;
}

const HEADER_SIZE = 16;
const AF_BRIDGE = 7;
const ARPHRD_ETHER = 1;
const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_QDISC = 6;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_LINK_NETNSID = 37;

/**
 * The device that an RTM_NEWLINK or RTM_DELLINK message is about. Undefined for what a bridge tells
 * of its ports: that has a form of its own, and its deletion is not the device's.
 */
export function parseLink(payload: Uint8Array): Link | undefined {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  if (view.getUint8(0) === AF_BRIDGE) return undefined;
  const attributes = new Attributes(payload.subarray(HEADER_SIZE));
  const info = attributes.nested(IFLA_LINKINFO);
  const flags = view.getUint32(8, true);
  return {
    index: view.getInt32(4, true),
    name: attributes.string(IFLA_IFNAME) ?? "",
    isUp: (flags & IFF_UP) !== 0,
    isLoopback: (flags & IFF_LOOPBACK) !== 0,
    hasMacHeader: view.getUint16(2, true) === ARPHRD_ETHER,
    mtu: attributes.u32(IFLA_MTU) ?? 0,
    kind: info?.string(IFLA_INFO_KIND),
    master: attributes.u32(IFLA_MASTER),
    masterKind: info?.string(IFLA_INFO_SLAVE_KIND),
    peerIsElsewhere: attributes.bytes(IFLA_LINK_NETNSID) !== undefined,
    qdisc: attributes.string(IFLA_QDISC),
  };
}
