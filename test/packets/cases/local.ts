import { DeviceFlag } from "../../../bpf/build/layout.ts";
import {
  client,
  clusterIp,
  ext0,
  externalIp,
  loadBalancer,
  local0,
  local1,
  node,
  type Place,
  peerPod,
  pod0,
  pod1,
  pod2,
  pod3,
  podMac,
  slowPod,
  type WorldDevice,
} from "../world.ts";
import type { PacketCase, PacketStep } from "./case.ts";
import {
  clientPort,
  fromClient,
  fromPod,
  fromRouter,
  type Kit,
  nodePort,
  servicePort,
  targetPort,
  toPod,
  toRouter,
} from "./kit.ts";

/** Request, reply and request again between the client and a pod that the stack is skipped to. */
export function fastConversation(
  k: Kit,
  vip: Place,
  port: number,
  pod: Place,
  device: WorldDevice,
): PacketStep[] {
  const opening = fromClient(k, vip, port);
  const reply = k.packet(fromPod(device), pod, client, k.next(targetPort, clientPort));
  const more = { ...opening, transport: k.next(clientPort, port) };
  const arrived = (from: typeof opening, transport = k.first(clientPort, targetPort)) => ({
    ...from,
    ethernet: toPod(device),
    destination: pod[k.family],
    ttl: 63,
    transport,
  });
  return [
    {
      at: "from_outside",
      on: ext0,
      packet: opening,
      verdict: "redirect",
      expect: arrived(opening),
      reason: "NEW_FLOW",
    },
    {
      at: "from_pod",
      on: device,
      packet: reply,
      verdict: "redirect",
      expect: {
        ...reply,
        ethernet: toRouter,
        source: vip[k.family],
        ttl: 63,
        transport: k.next(port, clientPort),
      },
    },
    {
      at: "from_outside",
      on: ext0,
      packet: more,
      verdict: "redirect",
      expect: arrived(more, k.next(clientPort, targetPort)),
    },
  ];
}

/** The same by way of the stack: replies are translated where they leave the node. */
export function slowConversation(
  k: Kit,
  vip: Place,
  port: number,
  pod: Place,
  device: WorldDevice,
): PacketStep[] {
  const opening = fromClient(k, vip, port);
  const reply = k.packet(fromPod(device), pod, client, k.next(targetPort, clientPort));
  const leaving = { ...reply, ethernet: toRouter, ttl: 63 };
  return [
    {
      at: "from_outside",
      on: ext0,
      packet: opening,
      verdict: "stack",
      expect: {
        ...opening,
        destination: pod[k.family],
        transport: k.first(clientPort, targetPort),
      },
      reason: "NEW_FLOW",
    },
    { at: "from_pod", on: device, packet: reply, verdict: "stack", expect: "same" },
    {
      at: "to_outside",
      on: ext0,
      packet: leaving,
      verdict: "stack",
      expect: { ...leaving, source: vip[k.family], transport: k.next(port, clientPort) },
    },
  ];
}

export function localCases(k: Kit): readonly PacketCase[] {
  const here = { local: true };
  const served = (
    kind: "NodePort" | "ExternalIP" | "LoadBalancer" | "ClusterIP",
    vip: Place,
    pod = local0,
    options = {},
  ) => ({
    services: [
      k.service({ frontends: [k.at(kind, vip)], backends: [k.backend(pod, here)], ...options }),
    ],
  });
  const podAsks = k.packet(fromPod(pod0), local0, clusterIp, k.first(clientPort, servicePort));
  const podAnswers = k.packet(fromPod(pod1), local1, local0, k.next(targetPort, clientPort));
  return [
    {
      name: "leads a NodePort to a pod of the node past the stack, and the replies back (KP-21)",
      given: served("NodePort", node),
      steps: fastConversation(k, node, nodePort, local0, pod0),
    },
    {
      name: "leads an externalIP to a pod of the node (KP-23)",
      given: served("ExternalIP", externalIp),
      steps: fastConversation(k, externalIp, servicePort, local0, pod0),
    },
    {
      name: "leads a LoadBalancer's address to a pod of the node (KP-22)",
      given: served("LoadBalancer", loadBalancer),
      steps: fastConversation(k, loadBalancer, servicePort, local0, pod0),
    },
    {
      name: "goes straight into the pod's namespace where its device is a peer",
      given: served("NodePort", node, peerPod),
      steps: fastConversation(k, node, nodePort, peerPod, pod2),
    },
    {
      name: "hands to the stack what a device does not take past it",
      given: served("NodePort", node, slowPod),
      steps: slowConversation(k, node, nodePort, slowPod, pod3),
    },
    {
      name: "hands to the stack what came in by a device that is not to be skipped to",
      given: { ...served("NodePort", node), deviceFlags: { ext0: DeviceFlag.EXTERNAL } },
      steps: slowConversation(k, node, nodePort, local0, pod0),
    },
    {
      name: "leaves a ClusterIP from outside alone by default (KP-20)",
      given: served("ClusterIP", clusterIp),
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: fromClient(k, clusterIp, servicePort),
          verdict: "stack",
          expect: "same",
        },
      ],
    },
    {
      name: "serves a ClusterIP from outside where the setting says so (KP-20)",
      given: { ...served("ClusterIP", clusterIp), settings: { clusterIpFromOutside: true } },
      steps: fastConversation(k, clusterIp, servicePort, local0, pod0),
    },
    {
      name: "keeps the client's address under externalTrafficPolicy Local (KP-21)",
      given: served("NodePort", node, local0, { externalLocal: true }),
      steps: fastConversation(k, node, nodePort, local0, pod0),
    },
    {
      name: "serves a pod that bypasses socket hooks, ClusterIP to a pod of the node (PF-43)",
      given: served("ClusterIP", clusterIp, local1),
      steps: [
        {
          at: "from_pod",
          on: pod0,
          packet: podAsks,
          verdict: "redirect",
          expect: {
            ...podAsks,
            ethernet: toPod(pod1),
            destination: local1[k.family],
            ttl: 63,
            transport: k.first(clientPort, targetPort),
          },
          reason: "NEW_FLOW",
        },
        {
          at: "from_pod",
          on: pod1,
          packet: podAnswers,
          verdict: "redirect",
          expect: {
            ...podAnswers,
            ethernet: toPod(pod0),
            source: clusterIp[k.family],
            ttl: 63,
            transport: k.next(servicePort, clientPort),
          },
        },
      ],
    },
    {
      name: "leads a pod to itself under the node's address, and back under the Service's (KP-29)",
      given: served("ClusterIP", clusterIp),
      steps: [
        {
          at: "from_pod",
          on: pod0,
          packet: podAsks,
          verdict: "redirect",
          expect: ({ first }) => ({
            ...podAsks,
            ethernet: toPod(pod0),
            source: node[k.family],
            destination: local0[k.family],
            ttl: 63,
            transport: k.first(first.sourcePort, targetPort),
          }),
          reason: "NEW_FLOW",
        },
        ({ first }) => {
          const answer = k.packet(
            fromPod(pod0),
            local0,
            node,
            k.next(targetPort, first.sourcePort),
          );
          return {
            at: "from_pod",
            on: pod0,
            packet: answer,
            verdict: "redirect",
            expect: {
              ...answer,
              ethernet: toPod(pod0),
              source: clusterIp[k.family],
              destination: local0[k.family],
              ttl: 63,
              transport: k.next(servicePort, clientPort),
            },
          };
        },
      ],
    },
    {
      name: "leaves packets alone that no flow and no frontend concerns",
      given: served("NodePort", node),
      steps: [
        ...(["from_outside", "to_outside"] as const).map((at) => ({
          at,
          on: ext0,
          packet: fromClient(k, node, 22),
          verdict: "stack" as const,
          expect: "same" as const,
        })),
        {
          at: "from_pod",
          on: pod0,
          packet: k.packet(fromPod(pod0), local0, client, k.first(targetPort, 443)),
          verdict: "stack",
          expect: "same",
        },
      ],
    },
    {
      name: "leaves a frame alone that is addressed to another host",
      given: served("NodePort", node),
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: {
            ...fromClient(k, node, nodePort),
            ethernet: { ...fromRouter, destination: podMac(pod0) },
          },
          verdict: "stack",
          expect: "same",
        },
      ],
    },
    {
      name: "leaves a frame with a VLAN tag to the VLAN's own device",
      given: served("NodePort", node),
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: { ...fromClient(k, node, nodePort), ethernet: { ...fromRouter, vlan: 7 } },
          verdict: "stack",
          expect: "same",
        },
      ],
    },
    {
      name: "hands a request for a backend in the node's own network to the stack",
      given: {
        services: [
          k.service({
            frontends: [k.at("NodePort", node)],
            backends: [k.backend(node, { local: true, port: 9090 })],
          }),
        ],
      },
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: fromClient(k, node, nodePort),
          verdict: "stack",
          expect: { ...fromClient(k, node, nodePort), transport: k.first(clientPort, 9090) },
          reason: "NEW_FLOW",
        },
        {
          at: "to_outside",
          on: ext0,
          packet: k.packet(toRouter, node, client, k.next(9090, clientPort)),
          verdict: "stack",
          expect: k.packet(toRouter, node, client, k.next(nodePort, clientPort)),
        },
      ],
    },
  ];
}
