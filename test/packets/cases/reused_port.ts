import type { Chunk, Transport } from "../packet/packet.ts";
import { client, ext0, local0, node, pod0 } from "../world.ts";
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
} from "./kit.ts";

/** A client goes straight to a backend from the port that it had through a Service. */
export function reusedPortCases(k: Kit): readonly PacketCase[] {
  const given = behind(k, local0, true);
  const first = fromClient(k, node, nodePort);
  const opened: PacketStep = {
    at: "from_outside",
    on: ext0,
    packet: first,
    verdict: "redirect",
    expect: forwarded(k, first, k.first(clientPort, targetPort)),
    reason: "NEW_FLOW",
  };
  const direct: PacketStep = {
    at: "from_outside",
    on: ext0,
    packet: fromClient(k, local0, targetPort),
    verdict: "stack",
    expect: "same",
  };
  const answered: PacketStep = {
    at: "from_pod",
    on: pod0,
    packet: k.packet(fromPod(pod0), local0, client, k.next(targetPort, clientPort)),
    verdict: "stack",
    expect: "same",
  };
  if (k.protocol === "udp")
    return [
      {
        name: "leaves answers alone once the client has gone straight to the backend (PF-26)",
        given,
        steps: [opened, direct, answered, opened],
      },
    ];
  return Object.entries(ends[k.protocol]).map(([end, transport]) => ({
    name: `leaves answers alone once a connection closed by ${end} has been followed by a direct one (PF-26)`,
    given,
    steps: [opened, closed(k, transport), direct, answered, opened],
  }));
}

type End = (destinationPort: number) => Transport;

const tcp =
  (flags: string): End =>
  (destinationPort) => ({ kind: "tcp", sourcePort: clientPort, destinationPort, flags });
const sctp =
  (chunk: Chunk): End =>
  (destinationPort) => ({ kind: "sctp", sourcePort: clientPort, destinationPort, chunk });

/** What the client ends a connection with. */
const ends: Readonly<Record<"tcp" | "sctp", Readonly<Record<string, End>>>> = {
  tcp: { RA: tcp("RA"), FA: tcp("FA") },
  sctp: { ABORT: sctp("abort"), SHUTDOWN: sctp("shutdown") },
};

function closed(k: Kit, end: End): PacketStep {
  const packet = { ...fromClient(k, node, nodePort), transport: end(nodePort) };
  const expect = forwarded(k, packet, end(targetPort));
  return { at: "from_outside", on: ext0, packet, verdict: "redirect", expect };
}
