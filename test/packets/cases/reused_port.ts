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
  return ["RA", "FA"].map((flags) => ({
    name: `leaves answers alone once a connection closed by ${flags} has been followed by a direct one (PF-26)`,
    given,
    steps: [opened, closed(k, flags), direct, answered, opened],
  }));
}

const tcp = (destinationPort: number, flags: string) =>
  ({ kind: "tcp", sourcePort: clientPort, destinationPort, flags }) as const;

function closed(k: Kit, flags: string): PacketStep {
  const packet = { ...fromClient(k, node, nodePort), transport: tcp(nodePort, flags) };
  const expect = forwarded(k, packet, tcp(targetPort, flags));
  return { at: "from_outside", on: ext0, packet, verdict: "redirect", expect };
}
