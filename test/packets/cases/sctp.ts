import { fragmentsOf } from "../packet/encode.ts";
import type { PacketSpec, Sctp } from "../packet/packet.ts";
import {
  behindSmallMtu,
  client,
  ext0,
  externalIp,
  local0,
  node,
  pod0,
  routerMac,
} from "../world.ts";
import type { PacketCase, PacketStep } from "./case.ts";
import {
  behind,
  clientPort,
  forwarded,
  fromClient,
  initPayload,
  type Kit,
  nodePort,
  servicePort,
  targetPort,
} from "./kit.ts";

/** What SCTP alone has: a CRC over the whole packet, and segments of any size. */
export function sctpCases(k: Kit): readonly PacketCase[] {
  if (k.protocol !== "sctp") return [];
  const here = behind(k, local0, true);
  const data = (destinationPort: number, length: number, more: Partial<Sctp> = {}): Sctp => ({
    kind: "sctp",
    sourcePort: clientPort,
    destinationPort,
    chunk: "data",
    payload: Uint8Array.from({ length }, (_, i) => i * 7),
    ...more,
  });
  const opened = arrives(k, k.first(clientPort, nodePort), k.first(clientPort, targetPort));
  const init = (checksum: number): Sctp =>
    data(nodePort, 0, { chunk: "init", payload: initPayload, checksum });
  const unchanged = {
    ...fromClient(k, externalIp, servicePort),
    transport: { ...init(0x12345678), destinationPort: servicePort },
  };
  return [
    {
      name: "mends the checksum of a packet of any length (RFC 9260 appendix A)",
      given: here,
      steps: [
        { ...opened, reason: "NEW_FLOW" },
        ...[0, 1, 4, 15, 16, 47, 48, 240, 496, 1008, 1300].map((length) =>
          arrives(k, data(nodePort, length), data(targetPort, length)),
        ),
      ],
    },
    {
      name: "leaves a checksum to the device that is to compute it (CHECKSUM_PARTIAL)",
      given: here,
      steps: [
        { ...opened, reason: "NEW_FLOW" },
        arrives(k, data(nodePort, 40, { checksum: 0 }), data(targetPort, 40, { checksum: 0 })),
      ],
    },
    {
      name: "leaves the checksum as it is where no port changes",
      given: keepingPorts(k),
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: unchanged,
          verdict: "redirect",
          expect: forwarded(k, unchanged, unchanged.transport),
          reason: "NEW_FLOW",
        },
      ],
    },
    {
      name: "sends on a packet that the device is to cut into segments of any size (GSO_BY_FRAGS)",
      given: here,
      steps: [
        { ...opened, reason: "NEW_FLOW" },
        {
          ...arrives(
            k,
            data(nodePort, 2800, { checksum: 0 }),
            data(targetPort, 2800, { checksum: 0 }),
          ),
          gsoSize: 0xffff,
        },
      ],
    },
    {
      name: "aborts without a checksum where the device is to compute it",
      given: { services: [k.service({ frontends: [k.at("NodePort", node)], backends: [] })] },
      steps: [
        {
          ...opened,
          packet: { ...fromClient(k, node, nodePort), transport: init(0) },
          answer: { "sctp.chunk": "abort", "sctp.tag": 0xcafe0001, "sctp.checksum": "none" },
          reason: "REFUSED_NO_ENDPOINT",
        },
      ],
    },
    {
      name: "refuses no INIT that ends before its tag",
      given: { services: [k.service({ frontends: [k.at("NodePort", node)], backends: [] })] },
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: {
            ...fromClient(k, node, nodePort),
            transport: data(nodePort, 0, { chunk: "init" }),
          },
          verdict: "drop",
          reason: "REFUSED_NO_ENDPOINT",
        },
      ],
    },
    tooBig(k, init(0)),
    ...fragmentCases(k),
  ];
}

/** The client's packet at the first pod of the node. */
function arrives(
  k: Kit,
  transport: PacketSpec["transport"],
  there: PacketSpec["transport"],
): PacketStep {
  const packet = { ...fromClient(k, node, nodePort), transport };
  return {
    at: "from_outside",
    on: ext0,
    packet,
    verdict: "redirect",
    expect: forwarded(k, packet, there),
  };
}

const keepingPorts = (k: Kit): PacketCase["given"] => ({
  services: [
    k.service({
      frontends: [k.at("ExternalIP", externalIp)],
      backends: [k.backend(local0, { local: true, port: servicePort })],
    }),
  ],
});

/** The quoted checksum is the device's to compute, and the error's own goes by what it will be. */
function tooBig(k: Kit, opening: Sctp): PacketCase {
  return {
    name: "quotes a packet whose checksum is left to the device as the device will send it (PF-29)",
    given: behind(k, behindSmallMtu),
    steps: [
      {
        at: "from_outside",
        on: ext0,
        packet: {
          ...fromClient(k, node, nodePort),
          dontFragment: true,
          transport: { ...opening, payload: new Uint8Array(1300) },
        },
        verdict: "redirect",
        answer: {
          "eth.to": routerMac,
          "ip.dst": client[k.family],
          "icmp.type": k.family === "v4" ? 3 : 2,
          "icmp.rest": 1280,
          "in.sctp.checksum": "none",
        },
        reason: ["NEW_FLOW", "REFUSED_TOO_BIG"],
      },
    ],
  };
}

function fragmentCases(k: Kit): readonly PacketCase[] {
  const sent = { ...fromClient(k, externalIp, servicePort), transport: long(k, servicePort) };
  const [first, second] = fragmentsOf(sent, 24);
  const [firstOut, secondOut] = fragmentsOf(forwarded(k, sent, long(k, servicePort)), 24);
  const changed = { ...fromClient(k, node, nodePort), transport: long(k, nodePort) };
  const [lost, rest] = fragmentsOf(changed, 24);
  const passes = (packet: PacketSpec, expect: PacketSpec): PacketStep => ({
    at: "from_outside",
    on: ext0,
    packet,
    verdict: "redirect",
    expect,
  });
  const opening = fromClient(k, externalIp, servicePort);
  return [
    {
      name: "translates fragments whose ports stay (PF-29)",
      given: keepingPorts(k),
      steps: [
        {
          ...passes(opening, forwarded(k, opening, k.first(clientPort, servicePort))),
          reason: "NEW_FLOW",
        },
        passes(first, firstOut),
        passes(second, secondOut),
      ],
    },
    {
      name: "drops and counts fragments whose ports change: no piece tells the checksum of the whole",
      given: behind(k, local0, true),
      steps: [
        {
          ...arrives(k, k.first(clientPort, nodePort), k.first(clientPort, targetPort)),
          reason: "NEW_FLOW",
        },
        ...[lost, rest].map(
          (packet): PacketStep => ({
            at: "from_outside",
            on: ext0,
            packet,
            verdict: "drop",
            reason: "DROPPED_FRAGMENT",
          }),
        ),
        {
          at: "from_pod",
          on: pod0,
          packet: k.packet(
            { source: "06:00:00:00:00:21", destination: pod0.mac },
            local0,
            client,
            k.next(targetPort, clientPort),
          ),
          verdict: "redirect",
          expect: {
            ...k.packet(
              { source: ext0.mac, destination: routerMac },
              node,
              client,
              k.next(nodePort, clientPort),
            ),
            ttl: 63,
          },
        },
      ],
    },
  ];
}

const long = (k: Kit, port: number): PacketSpec["transport"] =>
  ({
    ...k.next(clientPort, port),
    payload: new Uint8Array(61).fill(7),
  }) as PacketSpec["transport"];
