import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import type { SourceEvent } from "../../agent/model/event.ts";
import { KubernetesSource } from "../../agent/sources/kubernetes/source.ts";
import type { Answer, Transport } from "../../agent/sources/kubernetes/transport.ts";
import { until } from "./recorder.ts";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

const slices = 10_000;

/** Answers lists with made-up pages; watches stay open and say nothing. */
class GeneratedTransport implements Transport {
  readonly target = "generated";
  bytes = 0;

  async get(_operation: string, path: string, signal: AbortSignal): Promise<Answer> {
    const { pathname, searchParams } = new URL(path, "http://generated");
    const body = searchParams.has("watch") ? silence(signal) : this.#list(pathname, searchParams);
    return { httpStatus: 200, retryAfter: undefined, body };
  }

  renew(): void {}
  close(): void {}

  async *#list(pathname: string, query: URLSearchParams): AsyncGenerator<Buffer> {
    const total = pathname.endsWith("/endpointslices") ? slices : 0;
    const from = Number(query.get("continue") ?? 0);
    const to = Math.min(from + Number(query.get("limit")), total);
    const items = Array.from({ length: to - from }, (_, index) => sliceOf(from + index));
    const more = to < total ? { continue: String(to) } : {};
    const page = Buffer.from(
      JSON.stringify({ metadata: { resourceVersion: "9", ...more }, items }),
    );
    this.bytes += page.length;
    yield page;
  }
}

async function* silence(signal: AbortSignal): AsyncGenerator<Buffer> {
  yield await new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

const sliceOf = (index: number) => ({
  metadata: {
    name: `service-${index}-x7k2p`,
    generateName: `service-${index}-`,
    namespace: `team-${index % 50}`,
    uid: `8a3f3f5e-0e5e-4d5e-8f0e-${String(index).padStart(12, "0")}`,
    resourceVersion: String(100_000 + index),
    generation: 3,
    creationTimestamp: "2026-01-02T03:04:05Z",
    labels: {
      "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
      "kubernetes.io/service-name": `service-${index}`,
    },
    managedFields: [{ manager: "kube-controller-manager", operation: "Update" }],
  },
  addressType: "IPv4",
  endpoints: Array.from({ length: 10 }, (_, at) => endpointOf(index * 10 + at)),
  ports: [{ name: "http", port: 8080, protocol: "TCP" }],
});

const endpointOf = (index: number) => ({
  addresses: [`10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`],
  conditions: { ready: true, serving: true, terminating: false },
  hints: { forZones: [{ name: `region-1-zone-${index % 3}` }] },
  nodeName: `worker-node-${index % 500}.region-1.internal`,
  targetRef: { kind: "Pod", name: `pod-${index}`, uid: "8a3f3f5e-0e5e-4d5e-8f0e-3f1c2b1a0d9d" },
  zone: `region-1-zone-${index % 3}`,
});

it("holds 100,000 endpoints trimmed and shared, in a tenth of their JSON's memory or little more", async () => {
  const transport = new GeneratedTransport();
  const source = new KubernetesSource({ nodeName: "n1", transport });
  const held: SourceEvent[] = [];
  let synced = 0;
  collectGarbage();
  const before = process.memoryUsage();
  const startedAt = performance.now();
  source.start((events) => {
    for (const event of events) event.kind === "synced" ? synced++ : held.push(event);
  });
  await until(() => synced === 5, "five lists", 60);
  const milliseconds = performance.now() - startedAt;
  collectGarbage();
  const after = process.memoryUsage();
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  console.log(
    `${slices} slices of 10 endpoints, ${megabytes(transport.bytes)} MB of JSON, generated and read in`,
    `${milliseconds.toFixed(0)} ms; heap grew by ${megabytes(after.heapUsed - before.heapUsed)} MB,`,
    `resident memory by ${megabytes(after.rss - before.rss)} MB`,
  );
  await source.stop();
  expect(held).toHaveLength(slices);
  expect(source.status().resources[1]).toMatchObject({ objects: slices, lists: 1 });
  const last = held.at(-1);
  if (last?.kind !== "slice") throw new Error("no slice");
  expect(last.slice.endpoints).toHaveLength(10);
  expect(last.slice.endpoints[9]?.address).toBe("10.1.134.159");
});
