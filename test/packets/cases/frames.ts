import { DeviceFlag } from "../../../bpf/build/layout.ts";
import type { Configuration } from "../model/configuration.ts";
import { encode } from "../packet/encode.ts";
import {
  behindSmallMtu,
  ext0,
  externalIp,
  local0,
  node,
  pod0,
  pod3,
  remote0,
  slowPod,
  unserved,
} from "../world.ts";
import type { PacketCase, PacketStep } from "./case.ts";
import { fromClient, fromPod, fromRouter, kit, nodePort, servicePort } from "./kit.ts";

const k = kit("v4", "udp");
const given: Configuration = {
  services: [
    k.service({
      frontends: [k.at("NodePort", node)],
      backends: [k.backend(local0, { local: true })],
    }),
    k.service({ frontends: [k.at("ExternalIP", externalIp)], backends: [k.backend(remote0)] }),
  ],
};

const same = (packet: PacketStep["packet"]): PacketStep => ({
  at: "from_outside",
  on: ext0,
  packet,
  verdict: "stack",
  expect: "same",
});

const withType = (type: number, length = 60): Uint8Array => {
  const frame = encode(fromClient(k, node, nodePort)).slice(0, length);
  const whole = new Uint8Array(Math.max(length, frame.length));
  whole.set(frame);
  whole.set([type >> 8, type & 255], 12);
  return whole;
};

/** `value` in the byte `at` of the network header. */
const withByte = (at: number, value: number): Uint8Array =>
  encode(fromClient(k, node, nodePort)).with(14 + at, value);

const fromNobody = (source: string) => ({ ...fromClient(k, unserved, 81), source });

/** What one family and protocol tell for all. */
export const frameCases: readonly PacketCase[] = [
  {
    name: "a frame of another protocol is left alone: ARP, VLAN in VLAN, LLDP, 802.3, MPLS",
    given,
    steps: [0x0806, 0x88a8, 0x88cc, 0x0026, 0x8847].map((type) => same(withType(type))),
  },
  {
    name: "a frame of nothing but its Ethernet header is left alone",
    given,
    steps: [0x0806, 0x88cc].map((type) => same(withType(type, 14))),
  },
  {
    name: "an IPv4 packet of another version, or of less than a header, is left alone",
    given,
    steps: [0x65, 0x05, 0x44, 0x40, 0x4f].map((byte) => ({
      ...same(withByte(0, byte)),
      reason: "TRUNCATED",
    })),
  },
  {
    name: "an IPv4 packet that says it is longer than it is, or shorter than its header, is left alone",
    given,
    steps: [withByte(2, 9), withByte(3, 19), withByte(3, 0)].map((packet) => ({
      ...same(packet),
      reason: "TRUNCATED",
    })),
  },
  {
    name: "a packet of a protocol that has no Services is left alone: DCCP, GRE, ESP, UDP-Lite",
    given,
    steps: [33, 47, 50, 136].map((protocol) => same(withByte(9, protocol))),
  },
  {
    name: "nobody is answered who cannot be: unspecified, loopback, multicast, broadcast (RFC 1122 3.2.2)",
    given: { services: [], unserved: [unserved.v4] },
    steps: ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"].map((source) => ({
      at: "from_outside",
      on: ext0,
      packet: fromNobody(source),
      verdict: "drop",
      reason: "REFUSED_NO_SERVICE",
    })),
  },
  {
    name: "a pod without a fast path is asked for by way of the stack and hands its own requests to it (PF-43)",
    given: {
      services: [
        k.service({
          frontends: [k.at("ExternalIP", externalIp)],
          backends: [k.backend(local0, { local: true })],
        }),
      ],
    },
    steps: [
      {
        at: "from_pod",
        on: pod3,
        packet: k.packet(fromPod(pod3), slowPod, externalIp, k.first(9, servicePort)),
        verdict: "stack",
        expect: k.packet(fromPod(pod3), slowPod, local0, k.first(9, 8080)),
        reason: "NEW_FLOW",
      },
      {
        at: "from_pod",
        on: pod0,
        packet: k.packet(fromPod(pod0), local0, slowPod, k.next(8080, 9)),
        verdict: "stack",
        expect: "same",
      },
      {
        at: "to_outside",
        on: pod3,
        packet: k.packet(
          { source: pod3.mac, destination: "06:00:00:00:00:24" },
          local0,
          slowPod,
          k.next(8080, 9),
        ),
        verdict: "stack",
        expect: k.packet(
          { source: pod3.mac, destination: "06:00:00:00:00:24" },
          externalIp,
          slowPod,
          k.next(servicePort, 9),
        ),
      },
    ],
  },
  {
    name: "a device that has no flags is no way past the stack",
    given: { ...given, deviceFlags: { pod0: DeviceFlag.POD, ext0: DeviceFlag.EXTERNAL } },
    steps: [
      {
        ...same(fromClient(k, node, nodePort)),
        expect: {
          ...fromClient(k, node, nodePort),
          destination: local0.v4,
          transport: k.first(51000, 8080),
        },
        reason: "NEW_FLOW",
      },
    ],
  },
  {
    name: "a first fragment that does not fit is told so, and a later one silently dropped (RFC 1122 3.2.2)",
    given: {
      services: [
        k.service({ frontends: [k.at("NodePort", node)], backends: [k.backend(behindSmallMtu)] }),
      ],
    },
    steps: tooBigFragments(),
  },
];

function tooBigFragments(): readonly PacketStep[] {
  const transport = {
    kind: "udp",
    sourcePort: 51000,
    destinationPort: nodePort,
    payload: new Uint8Array(2700),
  } as const;
  const whole = {
    ...fromClient(k, node, nodePort),
    ethernet: fromRouter,
    transport,
    dontFragment: true,
  };
  const first = { ...whole, fragment: { id: 3, offset: 0, length: 1400 } };
  const second = { ...whole, fragment: { id: 3, offset: 1400 } };
  return [
    {
      at: "from_outside",
      on: ext0,
      packet: first,
      verdict: "redirect",
      answer: { "icmp.type": 3, "icmp.code": 4, "icmp.rest": 1280, "icmp.checksum": "ok" },
      reason: ["NEW_FLOW", "REFUSED_TOO_BIG"],
    },
    { at: "from_outside", on: ext0, packet: second, verdict: "drop", reason: "REFUSED_TOO_BIG" },
  ];
}
