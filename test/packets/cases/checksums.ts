import { concat, encode } from "../packet/encode.ts";
import type { PacketSpec, Transport } from "../packet/packet.ts";
import { ext0, local0, node } from "../world.ts";
import type { PacketCase } from "./case.ts";
import {
  behind,
  clientPort,
  forwarded,
  fromClient,
  type Kit,
  networkHeader,
  nodePort,
  targetPort,
} from "./kit.ts";

/** Of datagrams, which may have none. */
export function checksumCases(k: Kit): readonly PacketCase[] {
  if (k.protocol !== "udp") return [];
  const here = behind(k, local0, true);
  const datagram = (
    sourcePort: number,
    destinationPort: number,
    word: number,
    checksum?: number,
  ): Transport => ({
    kind: "udp",
    sourcePort,
    destinationPort,
    payload: Uint8Array.of(word >> 8, word & 255),
    ...(checksum === undefined ? {} : { checksum }),
  });
  const opening = (transport: Transport) => ({ ...fromClient(k, node, nodePort), transport });
  const checksumOf = (packet: PacketSpec): number => {
    const at = 14 + networkHeader(k) + 6;
    const bytes = encode(packet);
    return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  };
  // With its own checksum for payload, a datagram sums up to nothing.
  const word = checksumOf(
    forwarded(k, opening(datagram(clientPort, nodePort, 0)), datagram(clientPort, targetPort, 0)),
  );
  const out = forwarded(
    k,
    opening(datagram(clientPort, nodePort, word)),
    datagram(clientPort, targetPort, word),
  );
  const bytes = encode(out);
  const asZero = concat(
    bytes.subarray(0, 14 + networkHeader(k) + 6),
    Uint8Array.of(0xff, 0xff),
    bytes.subarray(14 + networkHeader(k) + 8),
  );
  return [
    {
      name: "leaves a datagram without checksum without one",
      given: here,
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: opening(datagram(clientPort, nodePort, 7, 0)),
          verdict: "redirect",
          expect: forwarded(
            k,
            opening(datagram(clientPort, nodePort, 7, 0)),
            datagram(clientPort, targetPort, 7, 0),
          ),
          reason: "NEW_FLOW",
        },
      ],
    },
    {
      name: "writes a checksum that comes out as zero as all ones (RFC 768)",
      given: here,
      steps: [
        {
          at: "from_outside",
          on: ext0,
          packet: opening(datagram(clientPort, nodePort, word)),
          verdict: "redirect",
          expect: asZero,
          reason: "NEW_FLOW",
        },
      ],
    },
  ];
}
