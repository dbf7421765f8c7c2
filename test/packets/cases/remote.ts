import {
  client,
  client2,
  clusterIp,
  ext0,
  ext1,
  externalIp,
  local0,
  node,
  otherNodeAddress,
  type Place,
  pod0,
  remote0,
  remote1,
  unresolved,
  unroutable,
} from "../world.ts";
import type { PacketCase, StepSource } from "./case.ts";
import {
  clientPort,
  fromClient,
  fromNode2,
  fromPod,
  fromRouter,
  type Kit,
  nodePort,
  servicePort,
  targetPort,
  toNode2,
  toPod,
  toRouter,
} from "./kit.ts";

/** Through a backend on another node, under the address of the device that leads there (KP-21). */
export function remoteConversation(
  k: Kit,
  vip: Place,
  port: number,
  backend = remote0,
): StepSource[] {
  const opening = fromClient(k, vip, port);
  const more = { ...opening, transport: k.next(clientPort, port) };
  return [
    {
      at: "from_outside",
      on: ext0,
      packet: opening,
      verdict: "redirect",
      expect: ({ first }) =>
        masqueraded(k, opening, backend, k.first(first.sourcePort, targetPort)),
      reason: "NEW_FLOW",
    },
    ({ first }) => {
      const reply = k.packet(
        fromNode2,
        backend,
        otherNodeAddress,
        k.next(targetPort, first.sourcePort),
      );
      return {
        at: "from_outside",
        on: ext1,
        packet: reply,
        verdict: "redirect",
        expect: {
          ...reply,
          ethernet: toRouter,
          source: vip[k.family],
          destination: client[k.family],
          ttl: 63,
          transport: k.next(port, clientPort),
        },
      };
    },
    ({ first }) => ({
      at: "from_outside",
      on: ext0,
      packet: more,
      verdict: "redirect",
      expect: masqueraded(k, more, backend, k.next(first.sourcePort, targetPort)),
    }),
  ];
}

export const masqueraded = (
  k: Kit,
  packet: ReturnType<typeof fromClient>,
  backend: Place,
  transport: ReturnType<Kit["first"]>,
) => ({
  ...packet,
  ethernet: toNode2,
  source: otherNodeAddress[k.family],
  destination: backend[k.family],
  ttl: 63,
  transport,
});

export function remoteCases(k: Kit): readonly PacketCase[] {
  const behind = (backend: Place, vip = node) => ({
    services: [
      k.service({
        frontends: [vip === node ? k.at("NodePort", node) : k.at("ExternalIP", vip)],
        backends: [k.backend(backend)],
      }),
    ],
  });
  const opening = fromClient(k, node, nodePort);
  const podAsks = k.packet(fromPod(pod0), local0, clusterIp, k.first(clientPort, servicePort));
  const answer = k.packet(fromNode2, remote0, local0, k.next(targetPort, clientPort));
  const oneSnatPort = { snatPorts: [40000, 40000] as const };
  const fromOther = k.packet(fromRouter, client2, node, k.first(clientPort, nodePort));
  return [
    {
      name: "masquerades a NodePort's client towards a backend elsewhere (KP-21)",
      given: behind(remote0),
      steps: remoteConversation(k, node, nodePort),
    },
    {
      name: "masquerades an externalIP's client towards a backend elsewhere (KP-21, KP-23)",
      given: behind(remote0, externalIp),
      steps: remoteConversation(k, externalIp, servicePort),
    },
    {
      name: "leaves it to the neighbour table where the next hop is not resolved",
      given: behind(unresolved),
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: opening,
          verdict: "redirect",
          expect: ({ first }) => ({
            ...masqueraded(k, opening, unresolved, k.first(first.sourcePort, targetPort)),
            ethernet: fromRouter,
          }),
          reason: "NEW_FLOW",
        },
      ],
    },
    {
      name: "drops and counts what has no route to its backend",
      given: behind(unroutable),
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: opening,
          verdict: "drop",
          reason: "DROPPED_NO_ROUTE",
        },
      ],
    },
    {
      name: "drops and counts what no address of the node can masquerade",
      given: { ...behind(remote0), settings: { nodeAddress: false } },
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: opening,
          verdict: "drop",
          reason: "DROPPED_NO_SNAT_ADDRESS",
        },
      ],
    },
    {
      name: "drops and counts a flow for which no port is left, and serves other backends (PF-28)",
      given: {
        settings: oneSnatPort,
        services: [
          k.service({ frontends: [k.at("NodePort", node)], backends: [k.backend(remote0)] }),
          k.service({
            frontends: [k.at("ExternalIP", externalIp)],
            backends: [k.backend(remote1)],
          }),
        ],
      },
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: opening,
          verdict: "redirect",
          expect: masqueraded(k, opening, remote0, k.first(40000, targetPort)),
          reason: "NEW_FLOW",
        },
        {
          at: "from_outside",
          on: ext0,
          packet: fromOther,
          verdict: "drop",
          reason: "DROPPED_NO_SNAT_PORT",
        },
        {
          at: "from_outside",
          on: ext0,
          packet: fromClient(k, externalIp, servicePort),
          verdict: "redirect",
          expect: masqueraded(k, opening, remote1, k.first(40000, targetPort)),
          reason: "NEW_FLOW",
        },
      ],
    },
    {
      name: "keeps a pod's address towards a backend elsewhere (KP-20, PF-43)",
      given: {
        services: [
          k.service({ frontends: [k.at("ClusterIP", clusterIp)], backends: [k.backend(remote0)] }),
        ],
      },
      steps: [
        {
          at: "from_pod",
          on: pod0,
          packet: podAsks,
          verdict: "redirect",
          expect: {
            ...podAsks,
            ethernet: toNode2,
            destination: remote0[k.family],
            ttl: 63,
            transport: k.first(clientPort, targetPort),
          },
          reason: "NEW_FLOW",
        },
        {
          at: "from_outside",
          on: ext1,
          packet: answer,
          verdict: "redirect",
          expect: {
            ...answer,
            ethernet: toPod(pod0),
            source: clusterIp[k.family],
            ttl: 63,
            transport: k.next(servicePort, clientPort),
          },
        },
      ],
    },
  ];
}
