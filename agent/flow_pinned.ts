import { type FlowListing, type FlowQuery, listFlows } from "./datapath/flow_list.ts";
import { withPinned } from "./datapath/pinned.ts";
import { readDeviceNames } from "./network/device_names.ts";

/**
 * The flows that the maps pinned there hold, whether or not an agent runs.
 * @throws {DatapathError} as `withPinned`.
 */
export async function listPinnedFlows(pinPath: string, query: FlowQuery): Promise<FlowListing> {
  const names = await readDeviceNames();
  return withPinned(pinPath, (map) => listFlows(map, query, (index) => names.get(index)));
}
