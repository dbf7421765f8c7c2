import { encodeIp } from "../packet/encode.ts";
import type { PacketSpec, Transport } from "../packet/packet.ts";
import {
  client,
  client2,
  ext0,
  ext1,
  innerRouter,
  local0,
  midRouter,
  node,
  otherNodeAddress,
  type Place,
  pod0,
  pod3,
  remote0,
  slowPod,
} from "../world.ts";
import type { PacketCase, PacketStep, StepSource } from "./case.ts";
import {
  clientPort,
  fromNode2,
  fromPod,
  fromRouter,
  type Kit,
  nodePort,
  targetPort,
  toNode2,
  toPod,
  toRouter,
} from "./kit.ts";
import { fastConversation, slowConversation } from "./local.ts";
import { remoteConversation } from "./remote.ts";

interface Kind {
  readonly name: string;
  readonly type: number;
  readonly code: number;
  readonly rest: number;
}

const kinds: Readonly<Record<Kit["family"], readonly Kind[]>> = {
  v4: [
    { name: "unreachable host", type: 3, code: 1, rest: 0 },
    { name: "fragmentation needed", type: 3, code: 4, rest: 1280 },
    { name: "time exceeded", type: 11, code: 0, rest: 0 },
    { name: "parameter problem", type: 12, code: 0, rest: 0x14000000 },
  ],
  v6: [
    { name: "unreachable address", type: 1, code: 3, rest: 0 },
    { name: "packet too big", type: 2, code: 0, rest: 1280 },
    { name: "time exceeded", type: 3, code: 0, rest: 0 },
    { name: "parameter problem", type: 4, code: 1, rest: 6 },
  ],
};

/** The first 64 bits of the transport header behind the network header: as little as may be. */
function quoted(k: Kit, source: Place, destination: Place, transport: Transport): Uint8Array {
  const whole = encodeIp({
    source: source[k.family],
    destination: destination[k.family],
    transport,
    ttl: 63,
  });
  return whole.slice(0, (k.family === "v4" ? 20 : 40) + 8);
}

function error(
  k: Kit,
  kind: Kind,
  packet: Omit<PacketSpec, "transport" | "source" | "destination">,
  from: Place,
  to: Place,
  about: Uint8Array,
): PacketSpec {
  const { type, code, rest } = kind;
  return {
    ...packet,
    source: from[k.family],
    destination: to[k.family],
    transport: { kind: "icmp", type, code, rest, payload: about },
  };
}

export function icmpCases(k: Kit): readonly PacketCase[] {
  const behind = (place: Place, local: boolean) => ({
    services: [
      k.service({ frontends: [k.at("NodePort", node)], backends: [k.backend(place, { local })] }),
    ],
  });
  return [
    ...kinds[k.family].flatMap((kind) => kindCases(k, kind, behind)),
    {
      name: "leaves an ICMP error alone about a flow that it does not know (PF-29)",
      given: behind(local0, true),
      steps: [
        ...fastConversation(k, node, nodePort, local0, pod0),
        aboutReply(k, kinds[k.family][0]!, k.next(nodePort, 9), "same"),
        {
          at: "from_outside",
          on: ext0,
          packet: error(
            k,
            kinds[k.family][0]!,
            { ethernet: fromRouter },
            midRouter,
            node,
            quoted(k, node, client2, k.next(nodePort, clientPort)),
          ),
          verdict: "stack",
          expect: "same",
        },
      ],
    },
    {
      name: "leaves an ICMP error alone that is sent to another than who sent the packet in it",
      given: behind(local0, true),
      steps: [
        ...fastConversation(k, node, nodePort, local0, pod0),
        {
          at: "from_outside",
          on: ext0,
          packet: error(
            k,
            kinds[k.family][0]!,
            { ethernet: fromRouter },
            midRouter,
            otherNodeAddress,
            quoted(k, node, client, k.next(nodePort, clientPort)),
          ),
          verdict: "stack",
          expect: "same",
        },
      ],
    },
    {
      name: "leaves echo requests, redirects and other ICMP alone",
      given: behind(local0, true),
      steps: [
        ...fastConversation(k, node, nodePort, local0, pod0),
        ...(k.family === "v4" ? [8, 0, 5, 13, 4] : [128, 129, 133, 135, 137]).map(
          (type): PacketStep => ({
            at: "from_outside",
            on: ext0,
            packet: error(
              k,
              { name: "", type, code: 0, rest: 1 },
              { ethernet: fromRouter },
              midRouter,
              node,
              quoted(k, node, client, k.next(nodePort, clientPort)),
            ),
            verdict: "stack",
            expect: "same",
          }),
        ),
      ],
    },
  ];
}

/** From a router near the client, about a reply that it could not pass on. */
function aboutReply(
  k: Kit,
  kind: Kind,
  reply: Transport,
  expect: PacketStep["expect"] & ("same" | PacketSpec),
): PacketStep {
  const packet = error(
    k,
    kind,
    { ethernet: fromRouter },
    midRouter,
    node,
    quoted(k, node, client, reply),
  );
  return {
    at: "from_outside",
    on: ext0,
    packet,
    verdict: expect === "same" ? "stack" : "redirect",
    expect,
    ...(expect === "same" ? {} : { reason: "ICMP_TRANSLATED" }),
  };
}

function kindCases(
  k: Kit,
  kind: Kind,
  behind: (place: Place, local: boolean) => PacketCase["given"],
): readonly PacketCase[] {
  const hop = { ttl: 63 };
  const fromPodError = (pod: Place, on: typeof pod0) =>
    error(
      k,
      kind,
      { ethernet: fromPod(on) },
      pod,
      client,
      quoted(k, client, pod, k.next(clientPort, targetPort)),
    );
  const toClientError = error(
    k,
    kind,
    { ethernet: toRouter, ...hop },
    node,
    client,
    quoted(k, client, node, k.next(clientPort, nodePort)),
  );
  const leaving = { ...fromPodError(slowPod, pod3), ethernet: toRouter, ...hop };
  const byNode = error(
    k,
    kind,
    { ethernet: toRouter },
    node,
    client,
    quoted(k, client, slowPod, k.next(clientPort, targetPort)),
  );
  return [
    {
      name: `translates "${kind.name}" about a reply, from near the client to the pod (PF-29)`,
      given: behind(local0, true),
      steps: [
        ...fastConversation(k, node, nodePort, local0, pod0),
        aboutReply(
          k,
          kind,
          k.next(nodePort, clientPort),
          error(
            k,
            kind,
            { ethernet: toPod(pod0), ...hop },
            midRouter,
            local0,
            quoted(k, local0, client, k.next(targetPort, clientPort)),
          ),
        ),
      ],
    },
    {
      name: `translates "${kind.name}" about a request, from the pod to the client (PF-29)`,
      given: behind(local0, true),
      steps: [
        ...fastConversation(k, node, nodePort, local0, pod0),
        {
          at: "from_pod",
          on: pod0,
          packet: fromPodError(local0, pod0),
          verdict: "redirect",
          expect: toClientError,
          reason: "ICMP_TRANSLATED",
        },
      ],
    },
    {
      name: `translates "${kind.name}" by way of the stack where it leaves, the node's own too (PF-29)`,
      given: behind(slowPod, true),
      steps: [
        ...slowConversation(k, node, nodePort, slowPod, pod3),
        {
          at: "from_pod",
          on: pod3,
          packet: fromPodError(slowPod, pod3),
          verdict: "stack",
          expect: "same",
        },
        {
          at: "to_outside",
          on: ext0,
          packet: leaving,
          verdict: "stack",
          expect: toClientError,
          reason: "ICMP_TRANSLATED",
        },
        {
          at: "to_outside",
          on: ext0,
          packet: byNode,
          verdict: "stack",
          expect: error(
            k,
            kind,
            { ethernet: toRouter },
            node,
            client,
            quoted(k, client, node, k.next(clientPort, nodePort)),
          ),
          reason: "ICMP_TRANSLATED",
        },
      ],
    },
    {
      name: `translates "${kind.name}" on both sides of a masqueraded flow (PF-29)`,
      given: behind(remote0, false),
      steps: [...remoteConversation(k, node, nodePort), ...masqueradedErrors(k, kind)],
    },
  ];
}

function masqueradedErrors(k: Kit, kind: Kind): StepSource[] {
  return [
    ({ first }) =>
      aboutReply(
        k,
        kind,
        k.next(nodePort, clientPort),
        error(
          k,
          kind,
          { ethernet: toNode2, ttl: 63 },
          otherNodeAddress,
          remote0,
          quoted(k, remote0, otherNodeAddress, k.next(targetPort, first.sourcePort)),
        ),
      ),
    ({ first }) => ({
      at: "from_outside",
      on: ext1,
      packet: error(
        k,
        kind,
        { ethernet: fromNode2 },
        innerRouter,
        otherNodeAddress,
        quoted(k, otherNodeAddress, remote0, k.next(first.sourcePort, targetPort)),
      ),
      verdict: "redirect",
      expect: error(
        k,
        kind,
        { ethernet: toRouter, ttl: 63 },
        node,
        client,
        quoted(k, client, node, k.next(clientPort, nodePort)),
      ),
      reason: "ICMP_TRANSLATED",
    }),
    ({ first }) => ({
      at: "from_outside",
      on: ext1,
      packet: error(
        k,
        kind,
        { ethernet: fromNode2 },
        remote0,
        otherNodeAddress,
        quoted(k, otherNodeAddress, remote0, k.next(first.sourcePort, targetPort)),
      ),
      verdict: "redirect",
      expect: error(
        k,
        kind,
        { ethernet: toRouter, ttl: 63 },
        node,
        client,
        quoted(k, client, node, k.next(clientPort, nodePort)),
      ),
      reason: "ICMP_TRANSLATED",
    }),
  ];
}
