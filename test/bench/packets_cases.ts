import type { Configuration } from "../packets/model/configuration.ts";
import { encode } from "../packets/packet/encode.ts";
import type { Transport } from "../packets/packet/packet.ts";
import type { Hook } from "../packets/rig/rig.ts";
import {
  client,
  ext0,
  ext1,
  type Family,
  local0,
  node,
  node2Mac,
  type Place,
  peerPod,
  pod0,
  pod2,
  podMac,
  remote0,
  routerMac,
  slowPod,
  type WorldDevice,
} from "../packets/world.ts";

export type Protocol = "tcp" | "udp";

export const families: readonly Family[] = ["v4", "v6"];
export const protocols: readonly Protocol[] = ["tcp", "udp"];

/** A way between a client outside and a backend. */
export interface Way {
  readonly name: string;
  readonly nodePort: number;
  readonly backend: Place;
  /** Where the replies come in. */
  readonly device: WorldDevice;
  readonly replyHook: Hook;
  /** Who hands them on. */
  readonly replyMac: string;
  readonly isLocal: boolean;
  /** TC_ACT_REDIRECT, or TC_ACT_UNSPEC. */
  readonly verdict: number;
}

const REDIRECT = 7;
const UNSPEC = -1;

const way = (
  name: string,
  nodePort: number,
  backend: Place,
  replies: readonly [Hook, WorldDevice, mac: string],
  verdict = REDIRECT,
): Way => {
  const [replyHook, device, replyMac] = replies;
  const isLocal = backend !== remote0;
  return { name, nodePort, backend, isLocal, device, replyHook, replyMac, verdict };
};

export const ways: readonly Way[] = [
  way("redirected", 30_001, local0, ["from_pod", pod0, podMac(pod0)]),
  way("to the peer", 30_002, peerPod, ["from_pod", pod2, podMac(pod2)]),
  way("by the stack", 30_003, slowPod, ["to_outside", ext0, ext0.mac], UNSPEC),
  way("masqueraded", 30_004, remote0, ["from_outside", ext1, node2Mac]),
];

const BACKEND_PORT = 8080;
const CLIENT_PORT = 1024;
const PAYLOAD = new Uint8Array(100);

/** A NodePort of both protocols and families for each way. */
export const configuration: Configuration = {
  services: ways.flatMap(({ nodePort, backend, isLocal }) =>
    protocols.flatMap((protocol) =>
      families.map((family) => ({
        protocol,
        frontends: [{ kind: "NodePort" as const, address: node[family], port: nodePort }],
        backends: [{ address: backend[family], port: BACKEND_PORT, local: isLocal }],
      })),
    ),
  ),
};

const transport = (
  protocol: Protocol,
  ports: { readonly sourcePort: number; readonly destinationPort: number },
  flags: string,
): Transport =>
  protocol === "tcp"
    ? { kind: "tcp", ...ports, flags, payload: PAYLOAD }
    : { kind: "udp", ...ports, payload: PAYLOAD };

/** From the client to the way's NodePort. */
export function request(way: Way, family: Family, protocol: Protocol, flags: string): Uint8Array {
  return encode({
    ethernet: { source: routerMac, destination: ext0.mac },
    source: client[family],
    destination: node[family],
    transport: transport(
      protocol,
      { sourcePort: CLIENT_PORT, destinationPort: way.nodePort },
      flags,
    ),
  });
}

/** The answer to a packet as the backend got it. */
export function reply(
  way: Way,
  translated: { readonly source: string; readonly sourcePort: number },
  family: Family,
  protocol: Protocol,
  flags: string,
): Uint8Array {
  const destination = way.replyHook === "to_outside" ? routerMac : way.device.mac;
  return encode({
    ethernet: { source: way.replyMac, destination },
    source: way.backend[family],
    destination: translated.source,
    transport: transport(
      protocol,
      { sourcePort: BACKEND_PORT, destinationPort: translated.sourcePort },
      flags,
    ),
  });
}

/** What is none of ours, at each hook. */
export interface Unrelated {
  readonly name: string;
  readonly hook: Hook;
  readonly device: WorldDevice;
  readonly packet: Uint8Array;
}

const plain = (
  from: Place,
  to: Place,
  macs: { readonly source: string; readonly destination: string },
  protocol: Protocol,
  flags: string,
): Uint8Array =>
  encode({
    ethernet: macs,
    source: from.v4,
    destination: to.v4,
    transport: transport(protocol, { sourcePort: CLIENT_PORT, destinationPort: 443 }, flags),
  });

const inbound = { source: routerMac, destination: ext0.mac };
const outbound = { source: ext0.mac, destination: routerMac };
const fromPod = { source: podMac(pod0), destination: pod0.mac };

function arp(): Uint8Array {
  const frame = plain(client, local0, inbound, "udp", "");
  frame.set([0x08, 0x06], 12);
  return frame;
}

const unrelatedOf = (
  where: string,
  hook: Hook,
  device: WorldDevice,
  from: Place,
  to: Place,
  macs: { readonly source: string; readonly destination: string },
): readonly Unrelated[] =>
  (
    [
      ["established TCP", "tcp", "A"],
      ["new TCP", "tcp", "S"],
      ["UDP", "udp", ""],
    ] as const
  ).map(([name, protocol, flags]) => ({
    name: `${name} ${where}`,
    hook,
    device,
    packet: plain(from, to, macs, protocol, flags),
  }));

export const unrelated: readonly Unrelated[] = [
  ...unrelatedOf("from outside", "from_outside", ext0, client, local0, inbound),
  ...unrelatedOf("to outside", "to_outside", ext0, local0, client, outbound),
  ...unrelatedOf("from a pod", "from_pod", pod0, local0, client, fromPod),
  { name: "no IP", hook: "from_outside", device: ext0, packet: arp() },
];
