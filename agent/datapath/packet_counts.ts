import { type BpfMap, possibleCpus } from "libbpf-ts";
import { packetCountCodec, packetCountKeyCodec, Reason } from "../../bpf/build/layout.ts";

/** What became of packets at one device, beside the translated ones of established flows. */
export interface PacketCountReport {
  readonly device: string;
  readonly reason: ReasonName;
  readonly packets: number;
  readonly bytes: number;
}

type Counted = Exclude<keyof typeof Reason, "REASONS">;

/** enum reason of maps.h as a label: `dropped_no_route`. */
export type ReasonName = Lowercase<Counted>;

const names = new Map(
  Object.entries(Reason)
    .filter(([name]) => name !== "REASONS")
    .map(([name, number]) => [number as number, name.toLowerCase() as ReasonName]),
);

/**
 * Summed over the CPUs, in the order of devices and reasons. At most one for each reason and served
 * device; a device without a name is called by its interface index.
 */
export function readPacketCounts(
  map: BpfMap,
  deviceName: (index: number) => string | undefined,
): PacketCountReport[] {
  const found: { readonly index: number; readonly report: PacketCountReport }[] = [];
  for (const { keys, values, count } of map.lookupBatch()) {
    for (let i = 0; i < count; i++) {
      const { device, reason } = packetCountKeyCodec.decode(keys, i * packetCountKeyCodec.size);
      const name = names.get(reason);
      if (name === undefined) continue;
      const sum = sumOf(values, i * map.valueBytes);
      const report = { device: deviceName(device) ?? `${device}`, reason: name, ...sum };
      if (report.packets > 0) found.push({ index: device, report });
    }
  }
  return found
    .sort((a, b) => a.index - b.index || (a.report.reason < b.report.reason ? -1 : 1))
    .map(({ report }) => report);
}

function sumOf(values: Uint8Array, at: number): { packets: number; bytes: number } {
  let packets = 0n;
  let bytes = 0n;
  for (let cpu = 0; cpu < possibleCpus(); cpu++) {
    const one = packetCountCodec.decode(values, at + cpu * packetCountCodec.size);
    packets += one.packets;
    bytes += one.bytes;
  }
  return { packets: Number(packets), bytes: Number(bytes) };
}
