import type { PacketSpec } from "../packet/packet.ts";
import { client, ext0, local0, node, remote0, routerMac } from "../world.ts";
import type { PacketCase } from "./case.ts";
import { behind, clientPort, fromClient, type Kit, nodePort, targetPort } from "./kit.ts";
import { masqueraded } from "./remote.ts";

export function lifetimeCases(k: Kit): readonly PacketCase[] {
  const [here, there] = [behind(k, local0, true), behind(k, remote0)];
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
