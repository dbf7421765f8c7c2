import { fragmentsOf } from "../packet/encode.ts";
import type { PacketSpec, Transport } from "../packet/packet.ts";
import { client, ext0, local0, node, pod0, type WorldDevice } from "../world.ts";
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
} from "./kit.ts";

/** Of protocols whose checksum can be mended in the first of them. */
export function fragmentCases(k: Kit): readonly PacketCase[] {
  if (k.protocol === "sctp") return [];
  const here = behind(k, local0, true);
  return [
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
