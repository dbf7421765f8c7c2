import { existsSync } from "node:fs";
import { BpfMap } from "libbpf-ts";
import { DatapathError } from "./datapath_error.ts";
import { kernelMaps, kernelStats } from "./kernel_maps.ts";
import { checkLayout } from "./load.ts";
import { pinsAt } from "./pins.ts";
import { readServices } from "./read.ts";
import type { ServiceReport } from "./report.ts";

/**
 * Every Service port that the maps pinned there hold, whether or not an agent runs.
 * @throws {DatapathError} "bpffs" where nothing is pinned, "layout" where it is another version's.
 */
export function readPinned(pinPath: string): ServiceReport[] {
  const pins = pinsAt(pinPath);
  if (!existsSync(pins.map("agent_state"))) {
    throw new DatapathError(
      "bpffs",
      "read pinned maps",
      pinPath,
      `nothing is pinned at ${pinPath}: name the place with --pin-path, or start the agent`,
    );
  }
  checkLayout(pins);
  const open = new Map<string, BpfMap>();
  const map = (name: string): BpfMap => {
    const known = open.get(name) ?? BpfMap.openPinned(pins.map(name));
    open.set(name, known);
    return known;
  };
  try {
    return readServices(kernelMaps(map), kernelStats(map("service_stats")));
  } finally {
    for (const opened of open.values()) opened.close();
  }
}
