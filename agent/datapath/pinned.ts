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
 * @throws {DatapathError} as `withPinned`.
 */
export const readPinned = (pinPath: string): ServiceReport[] =>
  withPinned(pinPath, (map) => readServices(kernelMaps(map), kernelStats(map("service_stats"))));

/**
 * What `read` makes of the maps pinned there, each by its name; they are closed afterwards.
 * @throws {DatapathError} "bpffs" where nothing is pinned, "layout" where it is another version's.
 */
export function withPinned<T>(pinPath: string, read: (map: (name: string) => BpfMap) => T): T {
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
    return read(map);
  } finally {
    for (const opened of open.values()) opened.close();
  }
}
