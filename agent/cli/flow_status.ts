import type { FlowsReport } from "../datapath/flow_report.ts";
import type { PacketCountReport } from "../datapath/packet_counts.ts";
import { duration } from "./duration.ts";

/** What the overview of `sluice status` says of flows. */
export function flowFields(flows: FlowsReport): readonly (readonly [string, string])[] {
  const { inUse, capacity, expired, lastSweepSeconds, timeoutSeconds: it, snatPorts } = flows;
  const ended = Object.entries(expired).filter(([, count]) => count > 0);
  const used = inUse === null ? "not counted yet" : `${inUse} in use`;
  const swept =
    lastSweepSeconds === null ? "" : `, swept in ${Math.round(lastSweepSeconds * 1000)} ms`;
  return [
    ["Flows", `${used}, room for ${capacity}${swept}`],
    ["Expired", ended.map(([state, count]) => `${count} ${state}`).join(", ") || "none"],
    [
      "Flow timeouts",
      `TCP opening ${duration(it.tcpOpening)}, established ${duration(it.tcpEstablished)}, ` +
        `closing ${duration(it.tcpClosing)}, closed ${duration(it.tcpClosed)}, ` +
        `UDP ${duration(it.udp)}, answered ${duration(it.udpStream)}`,
    ],
    ["SNAT ports", `${snatPorts.first}-${snatPorts.last}`],
  ];
}

export const packetTitles = ["PACKETS", "DEVICE", "COUNT", "BYTES"] as const;

/** `dropped no route`, as the reason reads in words. */
export const packetRows = (packets: readonly PacketCountReport[]): readonly (readonly string[])[] =>
  packets.map((it) => [it.reason.replaceAll("_", " "), it.device, `${it.packets}`, `${it.bytes}`]);
