import { complement, sum } from "../packet/checksum.ts";
import { encode } from "../packet/encode.ts";
import type { PacketSpec, Transport } from "../packet/packet.ts";
import {
  behindSmallMtu,
  client,
  ext0,
  ext2,
  local0,
  node,
  remote0,
  routerMac,
  smallMac,
} from "../world.ts";
import type { PacketCase, PacketStep } from "./case.ts";
import {
  behind,
  clientPort,
  forwarded,
  fromClient,
  type Kit,
  networkHeader,
  nodePort,
  outOf,
  targetPort,
  toNode2,
  transportHeader,
} from "./kit.ts";
import { masqueraded } from "./remote.ts";

const big = (k: Kit, sourcePort: number, destinationPort: number, bytes: number): Transport =>
  ({
    ...k.next(sourcePort, destinationPort),
    payload: new Uint8Array(bytes).fill(0x61),
  }) as Transport;

export function sizeCases(k: Kit): readonly PacketCase[] {
  const small = behind(k, behindSmallMtu);
  const opening = { ...fromClient(k, node, nodePort), dontFragment: true };
  const opened: PacketStep = {
    at: "from_outside",
    on: ext0,
    packet: opening,
    verdict: "redirect",
    expect: ({ first }) => ({
      ...masqueraded(k, opening, behindSmallMtu, k.first(first.sourcePort, targetPort)),
      ethernet: outOf(ext2, smallMac),
      source: ext2[k.family],
    }),
    reason: "NEW_FLOW",
  };
  const fits = 1280 - networkHeader(k) - transportHeader(k);
  const sized = (bytes: number): PacketSpec => ({
    ...opening,
    transport: big(k, clientPort, nodePort, bytes),
  });
  return [
    {
      name: "sends on what just fits the device that it leaves by",
      given: small,
      steps: [
        opened,
        ({ first }) => ({
          at: "from_outside",
          on: ext0,
          packet: sized(fits),
          verdict: "redirect",
          expect: {
            ...masqueraded(
              k,
              sized(fits),
              behindSmallMtu,
              big(k, first.sourcePort, targetPort, fits),
            ),
            ethernet: outOf(ext2, smallMac),
            source: ext2[k.family],
          },
        }),
      ],
    },
    {
      name: "tells the sender the MTU of what is a byte too big, with the packet as it was (PF-29)",
      given: small,
      steps: [
        opened,
        {
          at: "from_outside",
          on: ext0,
          packet: sized(fits + 1),
          verdict: "redirect",
          answer: {
            "eth.to": routerMac,
            "ip.dst": client[k.family],
            "icmp.type": k.family === "v4" ? 3 : 2,
            "icmp.code": k.family === "v4" ? 4 : 0,
            "icmp.rest": 1280,
            "icmp.checksum": "ok",
            "in.ip.src": client[k.family],
            "in.ip.dst": node[k.family],
            "in.sport": clientPort,
            "in.dport": nodePort,
          },
          reason: "REFUSED_TOO_BIG",
        },
      ],
    },
  ];
}

/** TCP packets that the device is to cut. */
export function gsoCases(k: Kit): readonly PacketCase[] {
  if (k.protocol !== "tcp") return [];
  const opening = fromClient(k, node, nodePort);
  const packet = { ...opening, transport: big(k, clientPort, nodePort, 2800) };
  return [
    {
      name: "sends on a packet that the device is to cut into segments that fit",
      given: behind(k, remote0),
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: opening,
          verdict: "redirect",
          expect: ({ first }) =>
            masqueraded(k, opening, remote0, k.first(first.sourcePort, targetPort)),
          reason: "NEW_FLOW",
        },
        ({ first }) => ({
          at: "from_outside",
          on: ext0,
          packet,
          gsoSize: 1400,
          verdict: "redirect",
          expect: {
            ...masqueraded(k, packet, remote0, big(k, first.sourcePort, targetPort, 2800)),
            ethernet: toNode2,
          },
        }),
      ],
    },
    {
      name: "translates a packet beyond 64 KiB, which says that its length is 0 (BIG TCP)",
      given: behind(k, local0, true),
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: opening,
          verdict: "redirect",
          expect: forwarded(k, opening, k.first(clientPort, targetPort)),
          reason: "NEW_FLOW",
        },
        {
          at: "from_outside",
          on: ext0,
          packet: unsaid(k, packet),
          gsoSize: 1400,
          verdict: "redirect",
          expect: unsaid(k, forwarded(k, packet, big(k, clientPort, targetPort, 2800))),
        },
      ],
    },
    {
      name: "leaves a packet alone that says a length of 0 and is no such one",
      given: behind(k, local0, true),
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: unsaid(k, opening),
          verdict: "stack",
          expect: "same",
          reason: "TRUNCATED",
        },
      ],
    },
  ];
}

/** With a length of 0, and of IPv4 the checksum that goes with it. */
function unsaid(k: Kit, spec: PacketSpec): Uint8Array {
  const frame = encode(spec);
  if (k.family === "v6") return frame.with(18, 0).with(19, 0);
  const bare = frame.with(16, 0).with(17, 0).with(24, 0).with(25, 0);
  const check = complement(sum(bare, 14, 34));
  return bare.with(24, check >> 8).with(25, check & 255);
}
