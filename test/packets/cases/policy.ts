import {
  client,
  client2,
  clusterIp,
  ext0,
  ext1,
  externalIp,
  loadBalancer,
  local0,
  local1,
  node,
  node2Mac,
  otherNodeAddress,
  pod0,
  pod1,
  podMac,
  remote0,
  routerMac,
  unserved,
} from "../world.ts";
import type { PacketCase, PacketStep } from "./case.ts";
import {
  clientPort,
  fromClient,
  fromPod,
  fromRouter,
  into,
  type Kit,
  nodePort,
  servicePort,
  targetPort,
  toNode2,
  toPod,
} from "./kit.ts";
import { fastConversation } from "./local.ts";

/** Holds `unserved`, and no other address of the world. */
const rangeOfUnserved = { v4: "198.18.0.16/28", v6: "2001:db8:e::20/123" } as const;

/** What tells a refusal. */
const answered = (k: Kit): Record<string, string> =>
  ({
    tcp: { "tcp.flags": "RA" },
    udp: { "icmp.checksum": "ok" },
    sctp: { "sctp.chunk": "abort", "sctp.checksum": "ok" },
  })[k.protocol];

/**
 * RST with the numbers of RFC 9293 3.10.7.1, ABORT with the tag of the INIT (RFC 9260 8.4), or port
 * unreachable (RFC 792, RFC 4443).
 */
export function refusal(k: Kit, port: number, vip: string): Record<string, string | number> {
  const ethernet = { "eth.to": routerMac, "eth.from": ext0.mac };
  const client = k.family === "v4" ? "203.0.113.7" : "2001:db8:c::7";
  if (k.protocol === "tcp") {
    return {
      ...ethernet,
      "ip.src": vip,
      "ip.dst": client,
      sport: port,
      dport: clientPort,
      "tcp.flags": "RA",
      "tcp.seq": 0,
      "tcp.ack": 1001,
      "tcp.checksum": "ok",
      payload: "",
    };
  }
  if (k.protocol === "sctp") {
    return {
      ...ethernet,
      "ip.src": vip,
      "ip.dst": client,
      sport: port,
      dport: clientPort,
      "sctp.tag": 0xcafe0001,
      "sctp.chunk": "abort",
      "sctp.flags": 0,
      "sctp.length": 4,
      "sctp.checksum": "ok",
      payload: "",
    };
  }
  return {
    ...ethernet,
    "ip.dst": client,
    "icmp.type": k.family === "v4" ? 3 : 1,
    "icmp.code": k.family === "v4" ? 3 : 4,
    "icmp.rest": 0,
    "icmp.checksum": "ok",
    "in.ip.src": client,
    "in.ip.dst": vip,
    "in.sport": clientPort,
    "in.dport": port,
  };
}

export function policyCases(k: Kit): readonly PacketCase[] {
  const all = { prefix: k.family === "v4" ? "203.0.113.0/25" : "2001:db8:c::/49" };
  const here = k.backend(local0, { local: true });
  const local = { externalLocal: true };
  const nodePortOf = (options: Partial<Parameters<Kit["service"]>[0]>) => ({
    services: [k.service({ frontends: [k.at("NodePort", node)], backends: [], ...options })],
  });
  const balanced = (options: Partial<Parameters<Kit["service"]>[0]> = {}) => ({
    services: [
      k.service({
        frontends: [k.at("LoadBalancer", loadBalancer), k.at("NodePort", node)],
        backends: [here],
        sourceRanges: [all.prefix],
        ...options,
      }),
    ],
  });
  const step = (packet: PacketStep["packet"], rest: Partial<PacketStep>): PacketStep => ({
    at: "from_outside",
    on: ext0,
    packet,
    verdict: "stack",
    ...rest,
  });
  const toNode = fromClient(k, node, nodePort);
  const podAsks = (vip = loadBalancer, port = servicePort) =>
    k.packet(fromPod(pod0), local0, vip, k.first(clientPort, port));
  return [
    {
      name: "refuses a NodePort without any endpoint (KP-14)",
      given: nodePortOf({}),
      steps: [
        step(toNode, {
          verdict: "redirect",
          answer: refusal(k, nodePort, node[k.family]),
          reason: "REFUSED_NO_ENDPOINT",
        }),
      ],
    },
    {
      name: "refuses a ClusterIP without any endpoint, asked by a pod (KP-14, PF-43)",
      given: { services: [k.service({ frontends: [k.at("ClusterIP", clusterIp)], backends: [] })] },
      steps: [
        step(podAsks(clusterIp), {
          at: "from_pod",
          on: pod0,
          verdict: "redirect",
          answer: {
            "eth.to": podMac(pod0),
            "ip.dst": local0[k.family],
            ...answered(k),
          },
          reason: "REFUSED_NO_ENDPOINT",
        }),
      ],
    },
    {
      name: "drops under externalTrafficPolicy Local what has endpoints elsewhere only (KP-14)",
      given: nodePortOf({ ...local, backends: [k.backend(remote0)] }),
      steps: [step(toNode, { verdict: "drop", reason: "DROPPED_NO_LOCAL_ENDPOINT" })],
    },
    {
      name: "refuses under externalTrafficPolicy Local what has no endpoint anywhere (KP-14)",
      given: nodePortOf({ ...local }),
      steps: [
        step(toNode, {
          verdict: "redirect",
          answer: refusal(k, nodePort, node[k.family]),
          reason: "REFUSED_NO_ENDPOINT",
        }),
      ],
    },
    {
      name: "uses only the node's own endpoints under externalTrafficPolicy Local (KP-13)",
      given: nodePortOf({ ...local, backends: [k.backend(remote0), here] }),
      steps: fastConversation(k, node, nodePort, local0, pod0),
    },
    {
      name: "leads a pod to any endpoint although the policy is Local (KP-14)",
      given: balanced({
        ...local,
        backends: [k.backend(remote0)],
        sourceRanges: [k.family === "v4" ? "10.0.0.0/8" : "fd00::/16"],
      }),
      steps: [
        step(podAsks(), {
          at: "from_pod",
          on: pod0,
          verdict: "redirect",
          expect: {
            ...podAsks(),
            ethernet: toNode2,
            destination: remote0[k.family],
            ttl: 63,
            transport: k.first(clientPort, targetPort),
          },
          reason: "NEW_FLOW",
        }),
      ],
    },
    {
      name: "lets in whom the source ranges name (KP-24)",
      given: balanced(),
      steps: fastConversation(k, loadBalancer, servicePort, local0, pod0),
    },
    {
      name: "drops and counts whom the source ranges leave out (KP-24)",
      given: balanced(),
      steps: [
        step(k.packet(fromRouter, client2, loadBalancer, k.first(clientPort, servicePort)), {
          verdict: "drop",
          reason: "DROPPED_SOURCE_RANGE",
        }),
      ],
    },
    {
      name: "holds pods to the source ranges too (KP-24)",
      given: balanced(),
      steps: [
        step(podAsks(), {
          at: "from_pod",
          on: pod0,
          verdict: "drop",
          reason: "DROPPED_SOURCE_RANGE",
        }),
      ],
    },
    {
      name: "does not hold a NodePort to the source ranges (KP-24)",
      given: balanced(),
      steps: [
        step(k.packet(fromRouter, client2, node, k.first(clientPort, nodePort)), {
          verdict: "redirect",
          expect: {
            ...k.packet(toPod(pod0), client2, local0, k.first(clientPort, targetPort)),
            ttl: 63,
          },
          reason: "NEW_FLOW",
        }),
      ],
    },
    {
      name: "drops by source range before it says that there is no endpoint (KP-14, KP-24)",
      given: balanced({ backends: [] }),
      steps: [
        step(k.packet(fromRouter, client2, loadBalancer, k.first(clientPort, servicePort)), {
          verdict: "drop",
          reason: "DROPPED_SOURCE_RANGE",
        }),
      ],
    },
    {
      name: "refuses a port of a Service's address that nobody serves (KP-31, PF-30)",
      given: { services: [], unserved: [unserved[k.family]] },
      steps: [
        step(fromClient(k, unserved, 81), {
          verdict: "redirect",
          answer: refusal(k, 81, unserved[k.family]),
          reason: "REFUSED_NO_SERVICE",
        }),
      ],
    },
    {
      name: "refuses an address of a ServiceCIDR that no Service has, and none beside it (KP-31)",
      given: { services: [], serviceCidrs: [rangeOfUnserved[k.family]] },
      steps: [
        step(fromClient(k, unserved, 81), {
          verdict: "redirect",
          answer: refusal(k, 81, unserved[k.family]),
          reason: "REFUSED_NO_SERVICE",
        }),
        step(fromClient(k, externalIp, 81), { expect: "same" }),
      ],
    },
    {
      name: "refuses an address of a ServiceCIDR that no Service has, asked by a pod (KP-31)",
      given: { services: [], serviceCidrs: [rangeOfUnserved[k.family]] },
      steps: [
        step(podAsks(unserved), {
          at: "from_pod",
          on: pod0,
          verdict: "redirect",
          answer: {
            "eth.to": podMac(pod0),
            "ip.dst": local0[k.family],
            ...answered(k),
          },
          reason: "REFUSED_NO_SERVICE",
        }),
      ],
    },
    {
      name: "serves a Service whose address is of a ServiceCIDR (KP-31)",
      given: {
        services: nodePortOf({ backends: [here] }).services.map((service) => ({
          ...service,
          frontends: [k.at("ExternalIP", unserved)],
        })),
        serviceCidrs: [rangeOfUnserved[k.family]],
      },
      steps: [
        step(fromClient(k, unserved, servicePort), {
          verdict: "redirect",
          expect: {
            ...k.packet(toPod(pod0), client, local0, k.first(clientPort, targetPort)),
            ttl: 63,
          },
          reason: "NEW_FLOW",
        }),
      ],
    },
    {
      name: "refuses no address of the node itself, though it is of a ServiceCIDR (KP-31, PF-30)",
      given: { services: [], serviceCidrs: [`${node[k.family]}/${k.family === "v4" ? 32 : 128}`] },
      steps: [step(fromClient(k, node, 22), { expect: "same" })],
    },
    {
      name: "never refuses an address of the node itself (PF-30)",
      given: { services: [], unserved: [node[k.family], otherNodeAddress[k.family]] },
      steps: [
        step(fromClient(k, node, 22), { expect: "same" }),
        step(fromClient(k, node, nodePort), { expect: "same" }),
        step(k.packet(into(ext1, node2Mac), remote0, otherNodeAddress, k.first(clientPort, 81)), {
          on: ext1,
          expect: "same",
        }),
      ],
    },
    {
      name: "answers NodePorts only at the addresses chosen for them (KP-26)",
      given: nodePortOf({ backends: [here] }),
      steps: [step(fromClient(k, otherNodeAddress, nodePort), { expect: "same" })],
    },
    {
      name: "does not take another protocol's frontend for its own (KP-33)",
      given: {
        services: (["tcp", "udp", "sctp"] as const)
          .filter((protocol) => protocol !== k.protocol)
          .map((protocol) => ({
            protocol,
            frontends: [k.at("NodePort", node), k.at("ExternalIP", externalIp)],
            backends: [here],
          })),
      },
      steps: [
        step(toNode, { expect: "same" }),
        step(fromClient(k, externalIp, servicePort), { expect: "same" }),
      ],
    },
    {
      name: "keeps a client with its backend from any port of its own (KP-28, PF-31)",
      given: nodePortOf({
        backends: [here, k.backend(local1, { local: true })],
        affinitySeconds: 60,
      }),
      steps: [
        step(toNode, {
          verdict: "redirect",
          expect: ({ first }) => affine(k, first.destination, clientPort),
          reason: "NEW_FLOW",
        }),
        ...[1, 2, 3, 4, 5, 6].map(
          (more) => (seen: { first: { destination: Uint8Array } }) =>
            step(fromClient(k, node, nodePort, clientPort + more), {
              verdict: "redirect",
              expect: affine(k, seen.first.destination, clientPort + more),
              reason: "NEW_FLOW" as const,
            }),
        ),
      ],
    },
    {
      name: "picks by Maglev the same backend for the same flow, whatever was forgotten (B8)",
      given: nodePortOf({
        backends: [here, k.backend(local1, { local: true })],
        maglev: [0, 1, 1, 0, 1, 0, 0],
      }),
      steps: [
        step(toNode, {
          verdict: "redirect",
          expect: ({ first }) => affine(k, first.destination, clientPort),
          reason: "NEW_FLOW",
        }),
        ...[1, 2, 3, 4].flatMap(() => [
          { forget: true } as const,
          (seen: { first: { destination: Uint8Array } }) =>
            step(toNode, {
              verdict: "redirect",
              expect: affine(k, seen.first.destination, clientPort),
              reason: "NEW_FLOW" as const,
            }),
        ]),
      ],
    },
    {
      name: "leaves a backend that has gone although the client stuck to it (KP-28, PF-31)",
      given: nodePortOf({ backends: [here], affinitySeconds: 60 }),
      steps: [
        step(toNode, {
          verdict: "redirect",
          expect: at(k, local0, clientPort),
          reason: "NEW_FLOW",
        }),
        {
          configure: nodePortOf({
            backends: [{ ...here, dead: true }, k.backend(local1, { local: true })],
            affinitySeconds: 60,
          }),
        },
        ...[1, 2].map((more) =>
          step(fromClient(k, node, nodePort, clientPort + more), {
            verdict: "redirect",
            expect: at(k, local1, clientPort + more),
            reason: "NEW_FLOW",
          }),
        ),
      ],
    },
    {
      name: "does not follow affinity to an index that another backend got (KP-28, PF-27)",
      given: nodePortOf({ backends: [here], affinitySeconds: 60 }),
      steps: [
        step(toNode, {
          verdict: "redirect",
          expect: at(k, local0, clientPort),
          reason: "NEW_FLOW",
        }),
        {
          configure: nodePortOf({
            backends: [
              k.backend(remote0, { dead: true, generation: 2 }),
              k.backend(local1, { local: true }),
            ],
            affinitySeconds: 60,
          }),
        },
        step(fromClient(k, node, nodePort, clientPort + 1), {
          verdict: "redirect",
          expect: at(k, local1, clientPort + 1),
          reason: "NEW_FLOW",
        }),
      ],
    },
    {
      name: "keeps affinity over all addresses of a Service port (KP-28)",
      given: {
        services: [
          k.service({
            frontends: [k.at("NodePort", node), k.at("ExternalIP", externalIp)],
            backends: [here, k.backend(local1, { local: true })],
            affinitySeconds: 60,
          }),
        ],
      },
      steps: [
        step(toNode, {
          verdict: "redirect",
          expect: ({ first }) => affine(k, first.destination, clientPort),
          reason: "NEW_FLOW",
        }),
        ...[1, 2, 3, 4].map(
          (more) => (seen: { first: { destination: Uint8Array } }) =>
            step(fromClient(k, externalIp, servicePort, clientPort + more), {
              verdict: "redirect",
              expect: affine(k, seen.first.destination, clientPort + more),
              reason: "NEW_FLOW" as const,
            }),
        ),
      ],
    },
    {
      name: "refuses a pod under internalTrafficPolicy Local what has endpoints elsewhere only",
      given: {
        services: [
          k.service({
            frontends: [k.at("ClusterIP", clusterIp)],
            backends: [k.backend(remote0)],
            internalLocal: true,
          }),
        ],
      },
      steps: [
        step(podAsks(clusterIp), {
          at: "from_pod",
          on: pod0,
          verdict: "redirect",
          answer: {
            "ip.dst": local0[k.family],
            ...answered(k),
          },
          reason: "REFUSED_NO_ENDPOINT",
        }),
      ],
    },
    {
      name: "leads a pod to the node's own endpoints under internalTrafficPolicy Local (KP-13)",
      given: {
        services: [
          k.service({
            frontends: [k.at("ClusterIP", clusterIp)],
            backends: [k.backend(remote0), k.backend(local1, { local: true })],
            internalLocal: true,
          }),
        ],
      },
      steps: Array.from({ length: 6 }, (_, i) => {
        const packet = k.packet(
          fromPod(pod0),
          local0,
          clusterIp,
          k.first(clientPort + i, servicePort),
        );
        return step(packet, {
          at: "from_pod",
          on: pod0,
          verdict: "redirect",
          expect: {
            ...packet,
            ethernet: toPod(pod1),
            destination: local1[k.family],
            ttl: 63,
            transport: k.first(clientPort + i, targetPort),
          },
          reason: "NEW_FLOW",
        });
      }),
    },
    {
      name: "leads a pod by a NodePort to a backend elsewhere, and the reply back from the node (KP-14)",
      given: nodePortOf({ ...local, backends: [k.backend(remote0)] }),
      steps: [
        step(podAsks(node, nodePort), {
          at: "from_pod",
          on: pod0,
          verdict: "redirect",
          expect: {
            ...podAsks(node, nodePort),
            ethernet: toNode2,
            destination: remote0[k.family],
            ttl: 63,
            transport: k.first(clientPort, targetPort),
          },
          reason: "NEW_FLOW",
        }),
        step(k.packet(into(ext1, node2Mac), remote0, local0, k.next(targetPort, clientPort)), {
          on: ext1,
          verdict: "redirect",
          expect: {
            ...k.packet(toPod(pod0), node, local0, k.next(nodePort, clientPort)),
            ttl: 63,
          },
        }),
      ],
    },
  ];
}

/** The client's packet at one of two pods. */
function at(k: Kit, pod: typeof local0, sourcePort: number) {
  const arrived = fromClient(k, pod, targetPort, sourcePort);
  return { ...arrived, ethernet: toPod(pod === local0 ? pod0 : pod1), ttl: 63 };
}

/** At whichever of them it first got to. */
const affine = (k: Kit, destination: Uint8Array, sourcePort: number) =>
  at(k, destination.at(-1) === 5 ? local0 : local1, sourcePort);
