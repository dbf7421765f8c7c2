import { type BpfMap, perCpu, possibleCpus, typedMap } from "libbpf-ts";
import { beforeEach, describe, expect, it } from "vitest";
import { readPacketCounts } from "../../agent/datapath/packet_counts.ts";
import { packetCountCodec, packetCountKeyCodec, Reason } from "../../bpf/build/layout.ts";
import { FlowTable } from "./flow_table.ts";

let map: BpfMap;
beforeEach(() => {
  map = FlowTable.open().object.map("packet_counts");
});

/** The same on each CPU. */
function count(device: number, reason: number, packets: bigint, bytes: bigint): void {
  const each = Array.from({ length: possibleCpus() }, () => ({ packets, bytes }));
  typedMap(map, packetCountKeyCodec, perCpu(packetCountCodec)).update({ device, reason }, each);
}

describe("packets are counted by device and reason", () => {
  it("over all CPUs, in the order of devices and reasons, by their names", () => {
    const cpus = possibleCpus();
    count(9, Reason.DROPPED_NO_ROUTE, 1n, 60n);
    count(2, Reason.NEW_FLOW, 3n, 240n);
    count(2, Reason.DROPPED_SOURCE_RANGE, 4n, 300n);
    expect(readPacketCounts(map, (index) => (index === 2 ? "eth0" : undefined))).toEqual([
      { device: "eth0", reason: "dropped_source_range", packets: 4 * cpus, bytes: 300 * cpus },
      { device: "eth0", reason: "new_flow", packets: 3 * cpus, bytes: 240 * cpus },
      { device: "9", reason: "dropped_no_route", packets: cpus, bytes: 60 * cpus },
    ]);
  });

  it("where there were any, and for reasons that this agent knows", () => {
    count(2, Reason.NEW_FLOW, 0n, 0n);
    count(2, Reason.REASONS + 5, 1n, 60n);
    expect(readPacketCounts(map, () => "eth0")).toEqual([]);
  });
});
