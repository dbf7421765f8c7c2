import { complement, sum } from "../packet/checksum.ts";
import { concat, encode, fragmentsOf } from "../packet/encode.ts";
import type { Extension, PacketSpec, Transport } from "../packet/packet.ts";
import {
  behindSmallMtu,
  client,
  ext0,
  ext2,
  local0,
  node,
  type Place,
  pod0,
  remote0,
  routerMac,
  smallMac,
  type WorldDevice,
} from "../world.ts";
import type { PacketCase, PacketStep } from "./case.ts";
import {
  clientPort,
  fromClient,
  fromPod,
  type Kit,
  nodePort,
  outOf,
  targetPort,
  toNode2,
  toPod,
  toRouter,
} from "./kit.ts";
import { masqueraded } from "./remote.ts";

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
  const behind = (place: Place, local = false) => ({
    services: [
      k.service({ frontends: [k.at("NodePort", node)], backends: [k.backend(place, { local })] }),
    ],
  });
  const here = behind(local0, true);
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
      name: "translates fragments that come in order (PF-29)",
      given: here,
      steps: fragmentSteps(k).inOrder,
    },
    {
      name: "hands a fragment to the stack that comes before the first one, and counts it (PF-29)",
      given: here,
      steps: fragmentSteps(k).outOfOrder,
    },
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
    ...lifetimeCases(k, here, behind(remote0)),
    ...sizeCases(k, behind(behindSmallMtu)),
    ...(k.protocol === "udp" ? checksumCases(k, here) : gsoCases(k, behind)),
  ];
}

const forwarded = (k: Kit, packet: PacketSpec, transport: Transport): PacketSpec => ({
  ...packet,
  ethernet: toPod(pod0),
  destination: local0[k.family],
  ttl: (packet.ttl ?? 64) - 1,
  transport,
});

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

function fragmentSteps(k: Kit): Record<"inOrder" | "outOfOrder", PacketStep[]> {
  const long = (transport: Transport): Transport =>
    ({ ...transport, payload: new Uint8Array(61).fill(7) }) as Transport;
  const opening = {
    ...fromClient(k, node, nodePort),
    transport: long(k.first(clientPort, nodePort)),
  };
  const answer = k.packet(fromPod(pod0), local0, client, long(k.next(targetPort, clientPort)));
  const answered = {
    ...answer,
    ethernet: toRouter,
    source: node[k.family],
    ttl: 63,
    transport: long(k.next(nodePort, clientPort)),
  };
  const [first, second] = fragmentsOf(opening, 24);
  const [firstOut, secondOut] = fragmentsOf(
    forwarded(k, opening, long(k.first(clientPort, targetPort))),
    24,
  );
  const [reply, replyRest] = fragmentsOf(answer, 24, 77);
  const [replyOut, replyRestOut] = fragmentsOf(answered, 24, 77);
  const step = (
    at: PacketStep["at"],
    on: WorldDevice,
    packet: PacketSpec,
    expect: PacketSpec,
  ): PacketStep => ({
    at,
    on,
    packet,
    verdict: "redirect",
    expect,
  });
  const opened: PacketStep = { ...step("from_outside", ext0, first, firstOut), reason: "NEW_FLOW" };
  const early: PacketStep = {
    at: "from_outside",
    on: ext0,
    packet: second,
    verdict: "stack",
    expect: "same",
    reason: "FRAGMENT_WITHOUT_FIRST",
  };
  return {
    inOrder: [
      opened,
      step("from_outside", ext0, second, secondOut),
      step("from_pod", pod0, reply, replyOut),
      step("from_pod", pod0, replyRest, replyRestOut),
    ],
    outOfOrder: [early, opened, step("from_outside", ext0, second, secondOut)],
  };
}

/** Every length that BPF_PROG_RUN takes, of a packet whose headers say more. */
function cutFrames(packet: PacketSpec): readonly Uint8Array[] {
  const whole = encode(packet);
  const least = packet.source.includes(":") ? 54 : 34;
  return Array.from({ length: whole.length - least }, (_, i) => whole.slice(0, least + i));
}

/** Packets that say themselves that they end within the transport header. */
function cutTransports(k: Kit, packet: PacketSpec): readonly PacketSpec[] {
  const needed = k.protocol === "tcp" ? 20 : 8;
  const whole = encode(packet);
  const from = k.family === "v4" ? 34 : 54;
  return Array.from({ length: needed }, (_, length) => ({
    ...packet,
    transport: {
      kind: "raw",
      protocol: k.protocol === "tcp" ? 6 : 17,
      payload: whole.slice(from, from + length),
    },
  }));
}

function lifetimeCases(
  k: Kit,
  here: PacketCase["given"],
  there: PacketCase["given"],
): readonly PacketCase[] {
  const opening = (ttl: number): PacketSpec => ({ ...fromClient(k, node, nodePort), ttl });
  const exceeded = {
    "eth.to": routerMac,
    "ip.dst": client[k.family],
    "icmp.type": k.family === "v4" ? 11 : 3,
    "icmp.code": 0,
    "icmp.rest": 0,
    "icmp.checksum": "ok",
    "in.ip.src": client[k.family],
    "in.ip.dst": node[k.family],
    "in.dport": nodePort,
  };
  return [
    {
      name: "passes on what has one hop left after it",
      given: there,
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: opening(2),
          verdict: "redirect",
          expect: ({ first }) => ({
            ...masqueraded(k, opening(2), remote0, k.first(first.sourcePort, targetPort)),
            ttl: 1,
          }),
          reason: "NEW_FLOW",
        },
      ],
    },
    ...[0, 1].flatMap((ttl): PacketCase[] => [
      {
        name: `leaves it to the stack to say that ${ttl} hops are left, where it can`,
        given: here,
        steps: [
          {
            at: "from_outside",
            on: ext0,
            packet: opening(ttl),
            verdict: "stack",
            expect: {
              ...opening(ttl),
              destination: local0[k.family],
              transport: k.first(clientPort, targetPort),
            },
            reason: "NEW_FLOW",
          },
        ],
      },
      {
        name: `says itself that ${ttl} hops are left, where it stands in for the client`,
        given: there,
        steps: [
          {
            at: "from_outside",
            on: ext0,
            packet: opening(ttl),
            verdict: "redirect",
            answer: exceeded,
            reason: ["NEW_FLOW", "DROPPED_TTL"],
          },
        ],
      },
    ]),
  ];
}

const big = (k: Kit, sourcePort: number, destinationPort: number, bytes: number): Transport =>
  ({
    ...k.next(sourcePort, destinationPort),
    payload: new Uint8Array(bytes).fill(0x61),
  }) as Transport;

const networkHeader = (k: Kit): number => (k.family === "v4" ? 20 : 40);
const transportHeader = (k: Kit): number => (k.protocol === "tcp" ? 20 : 8);

function sizeCases(k: Kit, small: PacketCase["given"]): readonly PacketCase[] {
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

function gsoCases(
  k: Kit,
  behind: (place: Place, local?: boolean) => PacketCase["given"],
): readonly PacketCase[] {
  const opening = fromClient(k, node, nodePort);
  const packet = { ...opening, transport: big(k, clientPort, nodePort, 2800) };
  return [
    {
      name: "sends on a packet that the device is to cut into segments that fit",
      given: behind(remote0),
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
      given: behind(local0, true),
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
      given: behind(local0, true),
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

function checksumCases(k: Kit, here: PacketCase["given"]): readonly PacketCase[] {
  const datagram = (
    sourcePort: number,
    destinationPort: number,
    word: number,
    checksum?: number,
  ): Transport => ({
    kind: "udp",
    sourcePort,
    destinationPort,
    payload: Uint8Array.of(word >> 8, word & 255),
    ...(checksum === undefined ? {} : { checksum }),
  });
  const opening = (transport: Transport) => ({ ...fromClient(k, node, nodePort), transport });
  const checksumOf = (packet: PacketSpec): number => {
    const at = 14 + networkHeader(k) + 6;
    const bytes = encode(packet);
    return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  };
  // With its own checksum for payload, a datagram sums up to nothing.
  const word = checksumOf(
    forwarded(k, opening(datagram(clientPort, nodePort, 0)), datagram(clientPort, targetPort, 0)),
  );
  const out = forwarded(
    k,
    opening(datagram(clientPort, nodePort, word)),
    datagram(clientPort, targetPort, word),
  );
  const bytes = encode(out);
  const asZero = concat(
    bytes.subarray(0, 14 + networkHeader(k) + 6),
    Uint8Array.of(0xff, 0xff),
    bytes.subarray(14 + networkHeader(k) + 8),
  );
  return [
    {
      name: "leaves a datagram without checksum without one",
      given: here,
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: opening(datagram(clientPort, nodePort, 7, 0)),
          verdict: "redirect",
          expect: forwarded(
            k,
            opening(datagram(clientPort, nodePort, 7, 0)),
            datagram(clientPort, targetPort, 7, 0),
          ),
          reason: "NEW_FLOW",
        },
      ],
    },
    {
      name: "writes a checksum that comes out as zero as all ones (RFC 768)",
      given: here,
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: opening(datagram(clientPort, nodePort, word)),
          verdict: "redirect",
          expect: asZero,
          reason: "NEW_FLOW",
        },
      ],
    },
  ];
}
