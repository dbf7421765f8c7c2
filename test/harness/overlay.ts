import { command } from "./command.ts";
import { ip } from "./netns.ts";

/** Of the VXLAN device: far less than the devices below it could carry. */
const mtu = 1280;
const device = "flannel.1";

/** One node's end of the overlay, laid out as flannel does. */
export interface OverlayEnd {
  readonly netns: string;
  /** Of the node on the network below. */
  readonly ip4: string;
  /** Of the VXLAN device. */
  readonly mac: string;
  /** Of the VXLAN device: the first of the node's pod range, at which nothing else stands. */
  readonly inner4: string;
  readonly inner6: string;
  readonly podCidr4: string;
  readonly podCidr6: string;
}

/** Makes a node's VXLAN device, which learns nothing: every peer is told by `overlayRoutes`. */
export async function joinOverlay(own: OverlayEnd): Promise<void> {
  await ip(
    [
      `link add ${device} address ${own.mac} mtu ${mtu} type vxlan id 1 dev eth0 local ${own.ip4} dstport 8472 nolearning`,
      `link set ${device} addrgenmode none`,
      `addr add ${own.inner4}/32 dev ${device}`,
      `addr add ${own.inner6}/128 dev ${device} nodad`,
      `link set ${device} up`,
    ],
    own.netns,
  );
}

/** Leads to a peer's pods: route, neighbour and where the neighbour's frames are sent to. */
export async function overlayRoutes(own: OverlayEnd, peer: OverlayEnd): Promise<void> {
  await ip(
    [
      `neigh add ${peer.inner4} lladdr ${peer.mac} dev ${device} nud permanent`,
      `neigh add ${peer.inner6} lladdr ${peer.mac} dev ${device} nud permanent`,
      `route add ${peer.podCidr4} via ${peer.inner4} dev ${device} onlink`,
      `route add ${peer.podCidr6} via ${peer.inner6} dev ${device} onlink`,
    ],
    own.netns,
  );
  const forwarding = ["fdb", "add", peer.mac, "dev", device, "dst", peer.ip4, "self", "permanent"];
  await command("bridge", ["-n", own.netns, ...forwarding]);
}
