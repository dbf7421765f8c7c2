import { BpfMap } from "libbpf-ts";
import { kernelMaps } from "../../agent/datapath/kernel_maps.ts";
import { pinsAt } from "../../agent/datapath/pins.ts";
import { ListedApi } from "./listed_api.ts";
import type { ScaleReply, ScaleRequest } from "./scale_api.ts";
import { ENDPOINTS, serviceObject, sliceObject } from "./scale_objects.ts";

/**
 * The API server, in a process of its own. It also changes endpoints, and looks from outside of the
 * agent at the pinned maps for the moment in which each change is published.
 */

const PUBLISH_DEADLINE_MS = 5_000;
const GENERATIONS = 100;

const services = Number(process.argv[2]);
const nodeName = process.argv[3] ?? "";

const generations = Array.from({ length: services }, () => new Array<number>(ENDPOINTS).fill(0));
const numbers = Array.from({ length: services }, (_, n) => n);

/** Of no zone, so that every endpoint is programmed whatever its hints. */
const node = { metadata: { name: nodeName, resourceVersion: "1", labels: {} } };

const api = new ListedApi({
  services: numbers.map((n) => serviceObject(n, `${n + 1}`)),
  endpointslices: numbers.map((n) => sliceObject(n, `${n + 1}`, generations[n] ?? [])),
  nodes: [node],
  servicecidrs: [],
});

/** Replaces one endpoint of a random Service at a time; µs from each write to its publication. */
async function change(count: number, pauseMs: number, pinPath: string): Promise<number[]> {
  const opened = new Map<string, BpfMap>();
  const map = (name: string): BpfMap => {
    const found = opened.get(name) ?? BpfMap.openPinned(pinsAt(pinPath).map(name));
    opened.set(name, found);
    return found;
  };
  const maps = kernelMaps(map);
  const indices = new Map([...maps.names.entries()].map(([index, { name }]) => [name, index]));
  const latencies: number[] = [];
  for (let i = 0; i < count; i++) {
    const n = Math.floor(Math.random() * services);
    const generation = generations[n] ?? [];
    const at = Math.floor(Math.random() * ENDPOINTS);
    generation[at] = ((generation[at] ?? 0) + 1) % GENERATIONS;
    const slice = sliceObject(n, api.nextVersion(), generation);
    const index = indices.get(serviceObject(n, "").metadata.name) ?? -1;
    const before = maps.services.cluster(index);
    const sentAt = performance.now();
    api.send("endpointslices", "MODIFIED", slice);
    while (maps.services.cluster(index) === before) {
      if (performance.now() > sentAt + PUBLISH_DEADLINE_MS) throw new Error(`${index} stayed`);
    }
    latencies.push((performance.now() - sentAt) * 1000);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  for (const each of opened.values()) each.close();
  return latencies;
}

async function handle(request: ScaleRequest): Promise<ScaleReply> {
  switch (request.kind) {
    case "first-request": {
      const at = api.firstRequestAt;
      api.firstRequestAt = undefined;
      return { kind: "first-request", at };
    }
    case "change": {
      const { count, pauseMs, pinPath } = request;
      return { kind: "changed", endToEndMicroseconds: await change(count, pauseMs, pinPath) };
    }
  }
}

process.send?.({ kind: "ready", port: await api.listen(0), bytes: api.bytes });
process.on("disconnect", () => process.exit());
process.on("message", async (request: ScaleRequest) => process.send?.(await handle(request)));
