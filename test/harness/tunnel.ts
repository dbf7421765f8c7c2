import { ip } from "./netns.ts";
import type { TestNode } from "./node.ts";
import { program } from "./programs.ts";

const device = "tun0";
const port = "51820";
const mtu = 1280;

/** What a node has at its tun device. */
export interface TunnelEnd {
  readonly ip4: string;
  readonly ip6: string;
}

/**
 * Joins two nodes and their pods by a tunnel whose devices have no link-layer header, as WireGuard's
 * have none. It ends with the nodes. A node has one tunnel at most.
 */
export async function joinByTunnel(one: TestNode, other: TestNode): Promise<void> {
  await Promise.all([startEnd(one, other), startEnd(other, one)]);
  await Promise.all([setUp(one, other), setUp(other, one)]);
}

/** 10.99.0.n and fd00:99::n of node n. */
export const tunnelEnd = ({ ip4 }: TestNode): TunnelEnd => {
  const host = ip4.split(".")[3];
  return { ip4: `10.99.0.${host}`, ip6: `fd00:99::${host}` };
};

async function startEnd(own: TestNode, peer: TestNode): Promise<void> {
  const args = [device, own.ip4, peer.ip4, port];
  await own.start(await program("tunnel"), args).printed("ready\n");
}

async function setUp(own: TestNode, peer: TestNode): Promise<void> {
  const { ip4, ip6 } = tunnelEnd(own);
  await ip(
    [
      `link set ${device} mtu ${mtu} addrgenmode none`,
      `addr add ${ip4}/24 dev ${device}`,
      `addr add ${ip6}/64 dev ${device} nodad`,
      `link set ${device} up`,
      `route replace ${peer.podCidr4} dev ${device}`,
      `route replace ${peer.podCidr6} dev ${device}`,
    ],
    own.netns,
  );
}
