import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { BpfMap } from "libbpf-ts";
import { kernelMaps } from "../../agent/datapath/kernel_maps.ts";
import { pinsAt } from "../../agent/datapath/pins.ts";
import type { ScaleReply, ScaleRequest } from "./scale_api.ts";
import { type ClusterObject, ENDPOINTS, serviceObject, sliceObject } from "./scale_objects.ts";

/**
 * What an API server does for the agent, in a process of its own: lists in pages that are rendered
 * ahead, watches with bookmarks. It also changes endpoints, and looks from outside of the agent at
 * the pinned maps for the moment in which each change is published.
 */

/** Objects a page: what the agent asks for. */
const PAGE = 500;
const BOOKMARK_MS = 1_000;
const PUBLISH_DEADLINE_MS = 5_000;
const GENERATIONS = 100;

const services = Number(process.argv[2]);
const nodeName = process.argv[3] ?? "";

let version = 1_000_000;
let firstRequestAt: number | undefined;
const generations = Array.from({ length: services }, () => new Array<number>(ENDPOINTS).fill(0));
const numbers = Array.from({ length: services }, (_, n) => n);
const watches = new Map<string, ServerResponse>();

/** Of no zone, so that every endpoint is programmed whatever its hints. */
const node = { metadata: { name: nodeName, resourceVersion: `${version}`, labels: {} } };

const pages: Readonly<Record<string, readonly Buffer[]>> = {
  services: pagesOf(numbers.map((n) => serviceObject(n, `${n + 1}`))),
  endpointslices: pagesOf(slices()),
  nodes: pagesOf([node]),
};

function slices(): ClusterObject[] {
  return numbers.map((n) => sliceObject(n, `${n + 1}`, generations[n] ?? []));
}

function pagesOf(objects: readonly unknown[]): readonly Buffer[] {
  const starts = Array.from({ length: Math.ceil(objects.length / PAGE) }, (_, i) => i * PAGE);
  return starts.map((from) => {
    const more = from + PAGE < objects.length ? { continue: `${from / PAGE + 1}` } : {};
    const metadata = { resourceVersion: `${version}`, ...more };
    const items = objects.slice(from, from + PAGE);
    return Buffer.from(JSON.stringify({ kind: "List", apiVersion: "v1", metadata, items }));
  });
}

function answer(incoming: IncomingMessage, response: ServerResponse): void {
  firstRequestAt ??= performance.timeOrigin + performance.now();
  const { pathname, searchParams: query } = new URL(incoming.url ?? "", "http://localhost");
  const resource = pathname.split("/").at(-1) ?? "";
  response.setHeader("Content-Type", "application/json");
  if (query.has("watch")) {
    response.flushHeaders();
    watches.set(resource, response);
    response.on("close", () => watches.delete(resource));
  } else {
    response.end(pages[resource]?.[Number(query.get("continue") ?? 0)]);
  }
}

/** Hands it to the system at once: as it comes, Node would gather what a whole turn writes. */
function send(resource: string, type: string, object: unknown): void {
  const watch = watches.get(resource);
  watch?.cork();
  watch?.write(`${JSON.stringify({ type, object })}\n`);
  watch?.uncork();
}

function bookmark(): void {
  for (const resource of watches.keys()) {
    send(resource, "BOOKMARK", { metadata: { resourceVersion: `${version}` } });
  }
}

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
    const slice = sliceObject(n, `${++version}`, generation);
    const index = indices.get(serviceObject(n, "").metadata.name) ?? -1;
    const before = maps.services.cluster(index);
    const sentAt = performance.now();
    send("endpointslices", "MODIFIED", slice);
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
      const at = firstRequestAt;
      firstRequestAt = undefined;
      return { kind: "first-request", at };
    }
    case "change": {
      const { count, pauseMs, pinPath } = request;
      return { kind: "changed", endToEndMicroseconds: await change(count, pauseMs, pinPath) };
    }
  }
}

const server = createServer(answer);
server.listen(0, "127.0.0.1", () => {
  const bytes = Object.values(pages)
    .flat()
    .reduce((sum, page) => sum + page.length, 0);
  process.send?.({ kind: "ready", port: (server.address() as AddressInfo).port, bytes });
});
setInterval(bookmark, BOOKMARK_MS);
process.on("disconnect", () => process.exit());
process.on("message", async (request: ScaleRequest) => process.send?.(await handle(request)));
