import { CHUNK, type Chunk } from "../packet/packet.ts";
import {
  client,
  ext0,
  ext1,
  externalIp,
  local0,
  local1,
  node,
  otherNodeAddress,
  type Place,
  pod0,
  pod1,
  remote0,
  type WorldDevice,
} from "../world.ts";
import type { PacketCase, PacketStep } from "./case.ts";
import {
  clientPort,
  fromClient,
  fromNode2,
  fromPod,
  type Kit,
  nodePort,
  servicePort,
  targetPort,
  toPod,
  toRouter,
} from "./kit.ts";
import { fastConversation } from "./local.ts";
import { refusal } from "./policy.ts";
import { masqueraded } from "./remote.ts";

/** A packet of the client's to the NodePort, that a pod of the node is to get. */
function arrives(
  k: Kit,
  transport: (from: number, to: number) => ReturnType<Kit["first"]>,
  [pod, device]: readonly [Place, WorldDevice],
  reason?: PacketStep["reason"],
): PacketStep {
  const packet = { ...fromClient(k, node, nodePort), transport: transport(clientPort, nodePort) };
  return {
    at: "from_outside",
    on: ext0,
    packet,
    verdict: "redirect",
    expect: {
      ...packet,
      ethernet: toPod(device),
      destination: pod[k.family],
      ttl: 63,
      transport: transport(clientPort, targetPort),
    },
    ...(reason === undefined ? {} : { reason }),
  };
}

/** The pod's answer to it, as the client gets it. */
function answers(
  k: Kit,
  transport: (from: number, to: number) => ReturnType<Kit["first"]>,
  [pod, device]: readonly [Place, WorldDevice],
  reason?: PacketStep["reason"],
): PacketStep {
  const packet = k.packet(fromPod(device), pod, client, transport(targetPort, clientPort));
  return {
    at: "from_pod",
    on: device,
    packet,
    verdict: "redirect",
    expect: {
      ...packet,
      ethernet: toRouter,
      source: node[k.family],
      ttl: 63,
      transport: transport(nodePort, clientPort),
    },
    ...(reason === undefined ? {} : { reason }),
  };
}

const one = [local0, pod0] as const;
const two = [local1, pod1] as const;

export function flowCases(k: Kit): readonly PacketCase[] {
  const here = { local: true };
  const backends = (...all: ReturnType<Kit["backend"]>[]) => ({
    services: [k.service({ frontends: [k.at("NodePort", node)], backends: all })],
  });
  const only = backends(k.backend(local0, here));
  const hasHandshake = k.protocol !== "udp";
  const none = backends(k.backend(local0, { local: true, dead: true }));
  const moved = backends(k.backend(local0, { local: true, dead: true }), k.backend(local1, here));
  const reused = backends(k.backend(local1, { local: true, generation: 2 }));
  const both = k.service({
    frontends: [k.at("NodePort", node), k.at("ExternalIP", externalIp)],
    backends: [k.backend(local0, here)],
  });
  return [
    {
      name: hasHandshake
        ? "lets a connection drain where its backend has gone, and leads a new one elsewhere (KP-70, PF-24)"
        : "moves datagrams off a backend that has gone (KP-70, PF-24)",
      given: only,
      steps: hasHandshake
        ? [
            arrives(k, k.first, one, "NEW_FLOW"),
            answers(k, k.next, one),
            { configure: moved },
            arrives(k, k.next, one),
            answers(k, k.next, one),
            arrives(k, k.first, two, "RESELECTED_FLOW"),
          ]
        : [
            arrives(k, k.first, one, "NEW_FLOW"),
            answers(k, k.next, one),
            { configure: moved },
            arrives(k, k.next, two, "RESELECTED_FLOW"),
            answers(k, k.next, two),
          ],
    },
    {
      name: hasHandshake
        ? "lets a connection drain where no backend is left, and refuses a new one (KP-14, KP-70)"
        : "refuses datagrams once no backend is left, and leads them to the next (KP-14, KP-70)",
      given: only,
      steps: [
        arrives(k, k.first, one, "NEW_FLOW"),
        { configure: none },
        ...(hasHandshake ? [arrives(k, k.next, one), answers(k, k.next, one)] : []),
        {
          at: "from_outside",
          on: ext0,
          packet: fromClient(k, node, nodePort),
          verdict: "redirect",
          answer: refusal(k, nodePort, node[k.family]),
          reason: "REFUSED_NO_ENDPOINT",
        },
        { configure: moved },
        arrives(k, k.first, two, "RESELECTED_FLOW"),
      ],
    },
    {
      name: "follows no stale entry to an index that another backend got (PF-27)",
      given: only,
      steps: [
        arrives(k, k.first, one, "NEW_FLOW"),
        { configure: reused },
        arrives(k, k.first, two, "RESELECTED_FLOW"),
        answers(k, k.next, two),
      ],
    },
    {
      name: "makes the replies' evicted entry anew with the next request (PF-28)",
      given: only,
      steps: [
        arrives(k, k.first, one, "NEW_FLOW"),
        { evict: "reply" },
        arrives(k, k.next, one, "REPAIRED_FLOW"),
        answers(k, k.next, one),
      ],
    },
    {
      name: "makes the requests' evicted entry anew with the next reply (PF-28)",
      given: only,
      steps: [
        arrives(k, k.first, one, "NEW_FLOW"),
        answers(k, k.next, one),
        { evict: "request" },
        answers(k, k.next, one, "REPAIRED_FLOW"),
        arrives(k, k.next, one),
      ],
    },
    {
      name: "keeps a masqueraded flow's port when its entry is made anew (PF-28)",
      given: backends(k.backend(remote0)),
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: fromClient(k, node, nodePort),
          verdict: "redirect",
          expect: ({ first }) =>
            masqueraded(
              k,
              fromClient(k, node, nodePort),
              remote0,
              k.first(first.sourcePort, targetPort),
            ),
          reason: "NEW_FLOW",
        },
        { evict: "request" },
        ({ first }) => {
          const packet = k.packet(
            fromNode2,
            remote0,
            otherNodeAddress,
            k.next(targetPort, first.sourcePort),
          );
          return {
            at: "from_outside",
            on: ext1,
            packet,
            verdict: "redirect",
            expect: {
              ...packet,
              ethernet: toRouter,
              source: node[k.family],
              destination: client[k.family],
              ttl: 63,
              transport: k.next(nodePort, clientPort),
            },
            reason: "REPAIRED_FLOW",
          };
        },
        ({ first }) => {
          const packet = {
            ...fromClient(k, node, nodePort),
            transport: k.next(clientPort, nodePort),
          };
          return {
            at: "from_outside",
            on: ext0,
            packet,
            verdict: "redirect",
            expect: masqueraded(k, packet, remote0, k.next(first.sourcePort, targetPort)),
          };
        },
      ],
    },
    {
      name: "changes the port where two addresses lead one client's port to one backend (PF-28)",
      given: { services: [both], settings: { snatPorts: [45000, 45000] } },
      steps: [
        arrives(k, k.first, one, "NEW_FLOW"),
        {
          at: "from_outside",
          on: ext0,
          packet: fromClient(k, externalIp, servicePort),
          verdict: "redirect",
          expect: {
            ...fromClient(k, externalIp, servicePort),
            ethernet: toPod(pod0),
            destination: local0[k.family],
            ttl: 63,
            transport: k.first(45000, targetPort),
          },
          reason: "NEW_FLOW",
        },
        answers(k, k.next, one),
        {
          at: "from_pod",
          on: pod0,
          packet: k.packet(fromPod(pod0), local0, client, k.next(targetPort, 45000)),
          verdict: "redirect",
          expect: {
            ...k.packet(toRouter, externalIp, client, k.next(servicePort, clientPort)),
            ttl: 63,
          },
        },
      ],
    },
    {
      name: "begins anew after the flow's timeout, and until then goes on",
      given: only,
      steps: [
        arrives(k, k.first, one, "NEW_FLOW"),
        { idle: "flows", seconds: 20 },
        arrives(k, k.first, one),
        { idle: "flows", seconds: 120 },
        arrives(k, k.first, one, "RESELECTED_FLOW"),
        answers(k, k.next, one),
      ],
    },
    {
      name: "goes on with a flow whose timeout has passed without another being begun",
      given: only,
      steps: hasHandshake
        ? [
            arrives(k, k.first, one, "NEW_FLOW"),
            answers(k, k.next, one),
            { idle: "flows", seconds: 200_000 },
            arrives(k, k.next, one),
            answers(k, k.next, one),
          ]
        : [
            arrives(k, k.first, one, "NEW_FLOW"),
            { idle: "flows", seconds: 1000 },
            answers(k, k.next, one),
            arrives(k, k.next, one),
          ],
    },
    {
      name: "serves one after another more flows than their map holds",
      given: only,
      rig: { maxEntries: { flows: 64 } },
      steps: Array.from({ length: 300 }, (_, i) => {
        const packet = fromClient(k, node, nodePort, 20000 + i);
        return {
          at: "from_outside" as const,
          on: ext0,
          packet,
          verdict: "redirect" as const,
          expect: {
            ...packet,
            ethernet: toPod(pod0),
            destination: local0[k.family],
            ttl: 63,
            transport: k.first(20000 + i, targetPort),
          },
          reason: "NEW_FLOW" as const,
        };
      }),
    },
    ...(k.protocol === "tcp" ? tcpCases(k, only) : []),
    ...(k.protocol === "sctp" ? sctpCases(k, only) : []),
  ];
}

function tcpCases(k: Kit, only: PacketCase["given"]): readonly PacketCase[] {
  const flagged = (flags: string) => (sourcePort: number, destinationPort: number) =>
    ({ kind: "tcp", sourcePort, destinationPort, flags, ack: 7 }) as const;
  const foreign = (flags: string): PacketStep => ({
    at: "from_outside",
    on: ext0,
    packet: { ...fromClient(k, node, nodePort), transport: flagged(flags)(clientPort, nodePort) },
    verdict: "stack",
    expect: "same",
  });
  return [
    {
      name: "leaves a connection alone that another proxy began (B5)",
      given: only,
      steps: ["A", "PA", "FA", "R", "SA", "F", ""].map(foreign),
    },
    {
      name: "begins anew with SYN after both sides have closed",
      given: only,
      steps: [
        arrives(k, k.first, one, "NEW_FLOW"),
        answers(k, flagged("SA"), one),
        arrives(k, flagged("FA"), one),
        answers(k, flagged("FA"), one),
        arrives(k, flagged("A"), one),
        arrives(k, k.first, one, "RESELECTED_FLOW"),
      ],
    },
    {
      name: "begins anew with SYN after a reset",
      given: only,
      steps: [
        arrives(k, k.first, one, "NEW_FLOW"),
        answers(k, flagged("RA"), one),
        arrives(k, k.first, one, "RESELECTED_FLOW"),
        answers(k, flagged("SA"), one),
      ],
    },
    {
      name: "translates a SYN that is sent again like the first one",
      given: only,
      steps: [
        arrives(k, k.first, one, "NEW_FLOW"),
        arrives(k, k.first, one),
        answers(k, flagged("SA"), one),
        arrives(k, k.first, one),
      ],
    },
    {
      name: "translates the end of a connection both ways",
      given: only,
      steps: [
        ...fastConversation(k, node, nodePort, local0, pod0),
        arrives(k, flagged("FA"), one),
        answers(k, flagged("A"), one),
        answers(k, flagged("PA"), one),
        answers(k, flagged("FA"), one),
        arrives(k, flagged("A"), one),
        arrives(k, flagged("R"), one),
      ],
    },
    {
      name: "acknowledges the data of a SYN that it refuses (RFC 9293 3.10.7.1)",
      given: { services: [k.service({ frontends: [k.at("NodePort", node)], backends: [] })] },
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: {
            ...fromClient(k, node, nodePort),
            transport: {
              kind: "tcp",
              sourcePort: clientPort,
              destinationPort: nodePort,
              flags: "S",
              seq: 0xfffffffe,
              payload: new Uint8Array(5),
            },
          },
          verdict: "redirect",
          answer: { "tcp.flags": "RA", "tcp.seq": 0, "tcp.ack": 4, "tcp.checksum": "ok" },
          reason: "REFUSED_NO_ENDPOINT",
        },
      ],
    },
    {
      name: "answers no reset (RFC 9293 3.10.7.1)",
      given: { services: [k.service({ frontends: [k.at("NodePort", node)], backends: [] })] },
      steps: ["R", "RA"].map(foreign),
    },
  ];
}

function sctpCases(k: Kit, only: PacketCase["given"]): readonly PacketCase[] {
  const chunk = (name: Chunk) => (sourcePort: number, destinationPort: number) =>
    ({ kind: "sctp", sourcePort, destinationPort, chunk: name }) as const;
  const foreign = (name: Chunk): PacketStep => ({
    at: "from_outside",
    on: ext0,
    packet: { ...fromClient(k, node, nodePort), transport: chunk(name)(clientPort, nodePort) },
    verdict: "stack",
    expect: "same",
  });
  const established = [
    arrives(k, k.first, one, "NEW_FLOW"),
    answers(k, chunk("initAck"), one),
    arrives(k, chunk("cookieEcho"), one),
    answers(k, chunk("cookieAck"), one),
  ];
  const moved = {
    services: [
      k.service({
        frontends: [k.at("NodePort", node)],
        backends: [
          k.backend(local0, { local: true, dead: true }),
          k.backend(local1, { local: true }),
        ],
      }),
    ],
  };
  return [
    {
      name: "leaves an association alone that another proxy began (KP-33)",
      given: only,
      steps: Object.keys(CHUNK)
        .filter((name) => name !== "init")
        .map((name) => foreign(name as Chunk)),
    },
    {
      name: "translates an association from INIT to SHUTDOWN COMPLETE, and begins anew (KP-33)",
      given: only,
      steps: [
        ...established,
        arrives(k, chunk("data"), one),
        answers(k, chunk("sack"), one),
        answers(k, chunk("heartbeat"), one),
        arrives(k, chunk("heartbeatAck"), one),
        arrives(k, chunk("shutdown"), one),
        answers(k, chunk("shutdownAck"), one),
        arrives(k, chunk("shutdownComplete"), one),
        arrives(k, k.first, one, "RESELECTED_FLOW"),
        answers(k, chunk("initAck"), one),
      ],
    },
    {
      name: "begins anew with INIT after either side has aborted (KP-33)",
      given: only,
      steps: [
        ...established,
        answers(k, chunk("abort"), one),
        arrives(k, k.first, one, "RESELECTED_FLOW"),
        answers(k, chunk("initAck"), one),
        arrives(k, chunk("abort"), one),
        arrives(k, k.first, one, "RESELECTED_FLOW"),
      ],
    },
    {
      name: "keeps its backend when the client restarts the association (RFC 9260 5.2)",
      given: only,
      steps: [...established, arrives(k, k.first, one), answers(k, chunk("initAck"), one)],
    },
    {
      name: "leads a restarted association elsewhere where its backend has gone (PF-24)",
      given: only,
      steps: [
        ...established,
        { configure: moved },
        arrives(k, chunk("data"), one),
        arrives(k, k.first, two, "RESELECTED_FLOW"),
      ],
    },
  ];
}
