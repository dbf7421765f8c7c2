import { encode } from "../packet/encode.ts";
import { type Extension, type PacketSpec, PROTOCOL } from "../packet/packet.ts";
import { client, ext0, local0, node, pod0 } from "../world.ts";
import type { PacketCase, PacketStep } from "./case.ts";
import {
  behind,
  clientPort,
  forwarded,
  fromClient,
  fromPod,
  type Kit,
  nodePort,
  targetPort,
  toRouter,
  transportHeader,
} from "./kit.ts";

const many = (count: number): readonly Extension[] =>
  Array.from({ length: count }, () => ({ kind: "destination-options" }) as const);

const extensionHeaders: Readonly<Record<string, readonly Extension[]>> = {
  "hop-by-hop options": [{ kind: "hop-by-hop" }],
  "destination options of 24 bytes": [{ kind: "destination-options", words: 2 }],
  "a routing header that has been followed": [{ kind: "routing", segmentsLeft: 0 }],
  "an authentication header": [{ kind: "authentication" }],
  "four extension headers": [
    { kind: "hop-by-hop", words: 1 },
    { kind: "destination-options" },
    { kind: "routing", segmentsLeft: 0 },
    { kind: "authentication" },
  ],
};

export function headerCases(k: Kit): readonly PacketCase[] {
  const here = behind(k, local0, true);
  const opening = fromClient(k, node, nodePort);
  const isIp4 = k.family === "v4";
  const variants: Readonly<Record<string, Partial<PacketSpec>>> = isIp4
    ? {
        "IPv4 options": { options: [7, 7, 4, 0, 0, 0, 0, 1] },
        "40 bytes of IPv4 options": { options: Array<number>(40).fill(1) },
        "a type of service": { tos: 0xb8 },
        "bytes behind the packet": { padding: 6 },
      }
    : {
        ...Object.fromEntries(
          Object.entries(extensionHeaders).map(([name, extensions]) => [name, { extensions }]),
        ),
        "a traffic class": { tos: 0xb8 },
        "a fragment header of a whole packet": { fragment: { id: 9, offset: 0 } },
        "bytes behind the packet": { padding: 6 },
      };
  return [
    ...Object.entries(variants).map(([name, variant]) => ({
      name: `translates a packet with ${name} (PF-29)`,
      given: here,
      steps: bothWays(k, variant),
    })),
    ...(isIp4 ? [] : routingCases(k, here)),
    {
      name: "leaves a packet alone that is cut at any length",
      given: here,
      steps: cutFrames(opening).map((packet) => ({
        at: "from_outside",
        on: ext0,
        packet,
        verdict: "stack",
        expect: "same",
        reason: "TRUNCATED",
      })),
    },
    {
      name: "leaves a packet alone whose transport header is not all there",
      given: here,
      steps: cutTransports(k, opening).map((packet) => ({
        at: "from_outside",
        on: ext0,
        packet,
        verdict: "stack",
        expect: "same",
        reason: "TRUNCATED",
      })),
    },
  ];
}

function bothWays(k: Kit, variant: Partial<PacketSpec>): PacketStep[] {
  const opening = { ...fromClient(k, node, nodePort), ...variant };
  const reply = {
    ...k.packet(fromPod(pod0), local0, client, k.next(targetPort, clientPort)),
    ...variant,
  };
  return [
    {
      at: "from_outside",
      on: ext0,
      packet: opening,
      verdict: "redirect",
      expect: forwarded(k, opening, k.first(clientPort, targetPort)),
      reason: "NEW_FLOW",
    },
    {
      at: "from_pod",
      on: pod0,
      packet: reply,
      verdict: "redirect",
      expect: {
        ...reply,
        ethernet: toRouter,
        source: node[k.family],
        ttl: 63,
        transport: k.next(nodePort, clientPort),
      },
    },
  ];
}

function routingCases(k: Kit, here: PacketCase["given"]): readonly PacketCase[] {
  const opening = fromClient(k, node, nodePort);
  const same = (extensions: readonly Extension[], reason?: PacketStep["reason"]): PacketStep => ({
    at: "from_outside",
    on: ext0,
    packet: { ...opening, extensions },
    verdict: "stack",
    expect: "same",
    ...(reason === undefined ? {} : { reason }),
  });
  return [
    {
      name: "leaves a packet to the stack that has segments of a route before it",
      given: here,
      steps: [
        same([{ kind: "routing", segmentsLeft: 1 }], "ROUTING_HEADER"),
        same(
          [{ kind: "hop-by-hop" }, { kind: "routing", segmentsLeft: 255, type: 4 }],
          "ROUTING_HEADER",
        ),
      ],
    },
    {
      name: "leaves a packet alone with more extension headers than it follows",
      given: here,
      steps: [same(many(9))],
    },
  ];
}

/** Every length that BPF_PROG_RUN takes, of a packet whose headers say more. */
function cutFrames(packet: PacketSpec): readonly Uint8Array[] {
  const whole = encode(packet);
  const least = packet.source.includes(":") ? 54 : 34;
  return Array.from({ length: whole.length - least }, (_, i) => whole.slice(0, least + i));
}

/** Packets that say themselves that they end within the transport header. */
function cutTransports(k: Kit, packet: PacketSpec): readonly PacketSpec[] {
  const needed = transportHeader(k);
  const whole = encode(packet);
  const from = k.family === "v4" ? 34 : 54;
  return Array.from({ length: needed }, (_, length) => ({
    ...packet,
    transport: {
      kind: "raw",
      protocol: PROTOCOL[k.protocol],
      payload: whole.slice(from, from + length),
    },
  }));
}
