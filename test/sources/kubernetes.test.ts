import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Resource } from "../../agent/model/event.ts";
import { KubernetesSource } from "../../agent/sources/kubernetes/source.ts";
import type { ResourceStatus } from "../../agent/sources/source.ts";
import { answer, FakeApiServer, type Handler, status } from "./apiserver.ts";
import { TestClock } from "./clock.ts";
import { Recorder, until } from "./recorder.ts";

let server: FakeApiServer;
let source: KubernetesSource;
let seen: Recorder;
let clock: TestClock;
let reports: string[];

beforeEach(async () => {
  server = new FakeApiServer();
  await server.listen();
  seen = new Recorder();
  clock = new TestClock();
  reports = [];
});

afterEach(async () => {
  await source.stop();
  await server.close();
});

const service = (name: string, clusterIP: string) => ({
  metadata: { namespace: "default", name },
  spec: { clusterIP, ports: [{ port: 80 }] },
});

const slice = (name: string, ...addresses: string[]) => ({
  metadata: { namespace: "default", name, labels: { "kubernetes.io/service-name": "web" } },
  addressType: "IPv4",
  ports: [{ name: "", port: 8080, protocol: "TCP" }],
  endpoints: addresses.map((address) => ({ addresses: [address] })),
});

const resources: readonly Resource[] = [
  "services",
  "endpointslices",
  "nodes",
  "servicecidrs",
  "foreignservices",
];

function start(): void {
  source = new KubernetesSource({
    server: server.url,
    nodeName: "n1",
    clock,
    random: () => 0,
    report: ({ message }) => reports.push(message),
  });
  source.start(seen.sink);
}

const watching = () => until(() => resources.every((r) => server.watching(r)), "five watches");

async function open(): Promise<void> {
  start();
  await until(() => seen.count("synced") === 5, "five lists");
  await watching();
}

/** Not only asked for: each watch has been agreed to, and heard of. */
async function heard(): Promise<void> {
  clock.skip(1_000);
  const since = clock.now();
  server.bookmark();
  const isHeard = ({ confirmedAt }: ResourceStatus) => (confirmedAt?.getTime() ?? 0) >= since;
  await until(() => source.status().resources.every(isHeard), "five bookmarks");
}

const saw = (...lines: string[]) =>
  until(() => lines.every((line) => seen.lines.includes(line)), `${lines} among ${seen.lines}`);

const reported = (part: string) =>
  until(() => reports.some((line) => line.includes(part)), `${part} among ${reports}`);

const statusOf = (resource: Resource) =>
  source.status().resources.find((entry) => entry.resource === resource);

/** Handles the next list or watch of a resource. */
const next = (resource: Resource, kind: "list" | "watch", handle: Handler) =>
  server.handlers.push((request, response) => {
    const isOf = request.resource === resource && request.query.has("watch") === (kind === "watch");
    return isOf && handle(request, response);
  });

describe("list and watch", () => {
  it("asks for what a service proxy needs and no more (KP-01)", async () => {
    await open();
    const asked = (resource: Resource, kind: "list" | "watch") =>
      Object.fromEntries(server.requestsOf(resource, kind)[0]?.query ?? []);
    expect(asked("services", "list")).toEqual({
      labelSelector: "!service.kubernetes.io/service-proxy-name",
      fieldSelector: "spec.clusterIP!=None",
      limit: "500",
    });
    expect(asked("endpointslices", "list")).toEqual({
      labelSelector: "!service.kubernetes.io/headless",
      limit: "500",
    });
    expect(asked("nodes", "list")).toEqual({ fieldSelector: "metadata.name=n1", limit: "500" });
    expect(asked("services", "watch")).toEqual({
      labelSelector: "!service.kubernetes.io/service-proxy-name",
      fieldSelector: "spec.clusterIP!=None",
      watch: "1",
      allowWatchBookmarks: "true",
      resourceVersion: "100",
      timeoutSeconds: "300",
    });
  });

  it("says what is there, that it is synced, and then what happens", async () => {
    server.put("services", service("web", "10.96.0.10"));
    server.put("endpointslices", slice("web-1", "10.0.0.1", "10.0.0.2"));
    server.put("nodes", { metadata: { name: "n1" } });
    await open();
    expect(seen.lines.toSorted()).toEqual([
      "+ node n1",
      "+ service web 10.96.0.10",
      "+ slice web-1 10.0.0.1,10.0.0.2",
      "synced endpointslices",
      "synced foreignservices",
      "synced nodes",
      "synced servicecidrs",
      "synced services",
    ]);
    expect(seen.lines.indexOf("+ node n1")).toBeLessThan(seen.lines.indexOf("synced nodes"));
    seen.clear();
    server.put("endpointslices", slice("web-1", "10.0.0.3"));
    server.delete("services", service("web", "10.96.0.10"));
    server.delete("nodes", { metadata: { name: "n1" } });
    await saw("+ slice web-1 10.0.0.3", "- service web", "- node n1");
    expect(seen.events).toHaveLength(3);
    expect(source.status()).toMatchObject({
      kind: "kubernetes",
      target: server.url,
      resources: [
        { resource: "services", synced: true, objects: 0, lists: 1, error: undefined },
        { resource: "endpointslices", synced: true, objects: 1, lists: 1, error: undefined },
        { resource: "nodes", synced: true, objects: 0, lists: 1, error: undefined },
        { resource: "servicecidrs", synced: true, objects: 0, lists: 1, error: undefined },
        { resource: "foreignservices", synced: true, objects: 0, lists: 1, error: undefined },
      ],
      problems: [],
    });
  });

  it("reads a list page by page and hands each page on", async () => {
    server.pageSize = 2;
    for (let i = 0; i < 5; i++) server.put("services", service(`s${i}`, `10.96.0.${i + 1}`));
    await open();
    expect(seen.count("service")).toBe(5);
    const pages = server.requestsOf("services", "list").map(({ query }) => query.get("continue"));
    expect(pages).toEqual([null, "2", "4"]);
    expect(seen.batches.toSorted()).toEqual([1, 1, 1, 1, 1, 1, 2, 2]);
    expect(statusOf("services")?.lists).toBe(1);
  });

  it("begins a list again that is forgotten midway, and repeats nothing of it (PF-03)", async () => {
    server.pageSize = 2;
    for (let i = 0; i < 4; i++) server.put("services", service(`s${i}`, `10.96.0.${i + 1}`));
    next("services", "list", ({ query }, response) => {
      if (!query.has("continue")) return false;
      server.delete("services", service("s0", "10.96.0.1"));
      return answer(response, 410, status(410, "Expired", "the continue token is too old"));
    });
    await open();
    expect(seen.lines.filter((line) => line.includes("service s"))).toEqual([
      "+ service s0 10.96.0.1",
      "+ service s1 10.96.0.2",
      "+ service s2 10.96.0.3",
      "+ service s3 10.96.0.4",
      "- service s0",
    ]);
    expect(seen.count("synced")).toBe(5);
  });

  it("says what a list told that broke off midway when the next one tells it (PF-03)", async () => {
    server.put("services", service("web", "10.96.0.10"));
    const { metadata, spec } = service("web", "10.96.0.10");
    const item = { metadata: { ...metadata, resourceVersion: server.version }, spec };
    next("services", "list", (_, response) => {
      const part = `{"metadata":{"resourceVersion":"101"},"items":[${JSON.stringify(item)},`;
      return response.write(part, () => response.destroy()) || true;
    });
    await open();
    expect(reports[0]).toContain("cannot list services: aborted");
    expect(seen.lines).toContain("+ service web 10.96.0.10");
  });

  it("goes on from the version of the last bookmark", async () => {
    await open();
    server.bookmark();
    server.bookmark();
    await until(() => {
      if (server.watching("services")) server.endWatches();
      return server.requestsOf("services", "watch").at(-1)?.query.get("resourceVersion") === "102";
    }, "a watch from the bookmark's version");
    expect(statusOf("services")?.lists).toBe(1);
  });

  it("watches again at once when the time limit of a watch is over", async () => {
    await open();
    clock.skip(300_000);
    server.endWatches();
    await watching();
    server.put("services", service("web", "10.96.0.10"));
    await saw("+ service web 10.96.0.10");
    expect(clock.waits).toEqual([]);
    expect(statusOf("services")?.lists).toBe(1);
  });

  it("does not storm a server that ends each watch at once (PF-03)", async () => {
    await open();
    for (let i = 0; i < 2; i++) next("nodes", "watch", (_, response) => answer(response, 200, ""));
    server.endWatches();
    await until(() => server.requestsOf("nodes", "watch").length >= 4, "five watches");
    expect(clock.waits.length).toBeGreaterThanOrEqual(3);
    expect(reports).toContain("cannot watch nodes: the watch ended at once");
  });

  it("skips what becomes another proxy's and takes it back (KP-01)", async () => {
    await open();
    server.put("services", service("web", "10.96.0.10"));
    await saw("+ service web 10.96.0.10");
    const { metadata, spec } = service("web", "10.96.0.10");
    const labels = { "service.kubernetes.io/service-proxy-name": "other" };
    server.put("services", { metadata: { ...metadata, labels }, spec });
    await saw("- service web");
    server.put("services", service("web", "10.96.0.11"));
    await saw("+ service web 10.96.0.11");
  });

  it("keeps the last good version of an object that cannot be read, and names it (B7)", async () => {
    server.put("services", service("web", "10.96.0.10"));
    await open();
    const { metadata } = service("web", "");
    server.put("services", { metadata, spec: { clusterIP: "10.96.0.10", ports: "none" } });
    await reported("spec.ports is empty");
    expect(seen.count("service-deleted")).toBe(0);
    expect(source.status().problems).toEqual([
      {
        target: "services default/web",
        message: "spec.ports is empty: a Service needs at least one port",
      },
    ]);
    server.put("services", service("web", "10.96.0.11"));
    await saw("+ service web 10.96.0.11");
    expect(source.status().problems).toEqual([]);
  });

  it("goes on with the default for an annotation that it cannot read, and names it (B7)", async () => {
    await open();
    const { metadata, spec } = service("web", "10.96.0.10");
    const annotations = { "sluice.dev/algorithm": "rr", "sluice.dev/weights": "10.0.0.1=2,x=1" };
    server.put("services", { metadata: { ...metadata, annotations }, spec });
    await saw("+ service web 10.96.0.10");
    expect(seen.events.at(-1)).toMatchObject({
      service: { algorithm: "random", weights: new Map([["10.0.0.1", 2]]) },
    });
    expect(source.status().problems).toEqual([
      {
        target: "services default/web",
        message:
          'metadata.annotations.sluice.dev/algorithm "rr" is not an algorithm; write random or maglev',
      },
      {
        target: "services default/web",
        message:
          'metadata.annotations.sluice.dev/weights holds "x=1"; write an endpoint\'s address and a ' +
          "weight from 0 to 100, as 10.0.0.5=3",
      },
    ]);
  });

  it("forgets what was wrong with an object that is gone before it could be read", async () => {
    await open();
    const { metadata } = service("web", "");
    const portless = { metadata, spec: { clusterIP: "10.96.0.10", ports: [] } };
    server.put("services", portless);
    await reported("spec.ports is empty");
    server.delete("services", portless);
    server.put("services", service("db", "10.96.0.11"));
    await saw("+ service db 10.96.0.11");
    expect(source.status().problems).toEqual([]);
    server.put("services", portless);
    await until(() => source.status().problems.length === 1, "the problem again");
    await server.close();
    server.delete("services", portless);
    server.compact();
    await server.listen();
    await until(() => statusOf("services")?.lists === 2, "a second list");
    expect(source.status().problems).toEqual([]);
  });
});

const serviceCidr = (name: string, ...cidrs: string[]) => ({ metadata: { name }, spec: { cidrs } });

describe("ServiceCIDRs", () => {
  it("are followed, one that is being deleted until it is gone (KP-31)", async () => {
    server.put("servicecidrs", serviceCidr("kubernetes", "10.96.0.1/16", "FD00:10:96::/112"));
    await open();
    expect(seen.lines).toContain("+ servicecidr kubernetes 10.96.0.0/16,fd00:10:96::/112");
    const more = serviceCidr("more", "10.97.0.0/20");
    server.put("servicecidrs", more);
    await saw("+ servicecidr more 10.97.0.0/20");
    seen.clear();
    const deletionTimestamp = "2026-01-02T03:04:05Z";
    server.put("servicecidrs", { ...more, metadata: { name: "more", deletionTimestamp } });
    await saw("+ servicecidr more 10.97.0.0/20");
    server.delete("servicecidrs", more);
    await saw("- servicecidr more");
  });

  it("leave the addresses of other proxies' Services to them (KP-01)", async () => {
    const labels = { "service.kubernetes.io/service-proxy-name": "other" };
    const spec = { clusterIP: "10.96.0.9", clusterIPs: ["10.96.0.9", "FD00::9"] };
    const foreign = { metadata: { namespace: "default", name: "theirs", labels }, spec };
    server.put("foreignservices", foreign);
    await open();
    expect(server.requestsOf("foreignservices", "list")[0]?.query.get("fieldSelector")).toBe(
      "spec.clusterIP!=None",
    );
    expect(seen.lines).toContain("+ foreignservice theirs 10.96.0.9,fd00::9");
    server.delete("foreignservices", foreign);
    await saw("- foreignservice theirs");
  });

  it("that cannot be read are named, and what is valid of them holds (B7)", async () => {
    server.put("servicecidrs", serviceCidr("odd", "10.96.0.0/33", "10.97.0.0/16", "0.0.0.0/0"));
    await open();
    expect(seen.lines).toContain("+ servicecidr odd 10.97.0.0/16");
    const hint = "is no range of ClusterIPs; write it as 10.96.0.0/16 or fd00:10:96::/112";
    expect(source.status().problems.map(({ message }) => message)).toEqual([
      `spec.cidrs[0] "10.96.0.0/33" ${hint}`,
      `spec.cidrs[2] "0.0.0.0/0" ${hint}`,
    ]);
  });

  for (const [code, reason] of [
    [404, "NotFound"],
    [403, "Forbidden"],
  ] as const) {
    it(`that the API server answers with ${code} stop nothing else, are said once, and come later (KP-01)`, async () => {
      for (let refusals = 0; refusals < 3; refusals++) {
        next("servicecidrs", "list", (_, response) => {
          expect(statusOf("servicecidrs")).toMatchObject({ synced: false, objects: 0 });
          return answer(response, code, status(code, reason, "not here"));
        });
      }
      server.put("servicecidrs", serviceCidr("kubernetes", "10.96.0.0/16"));
      await open();
      expect(reports).toHaveLength(1);
      expect(reports[0]).toMatch(
        /^cannot list servicecidrs: not here;.* ClusterIPs that no Service has are not refused/,
      );
      expect(server.requestsOf("servicecidrs", "list")).toHaveLength(4);
      expect(server.requestsOf("services", "list")).toHaveLength(1);
      expect(seen.lines).toContain("+ servicecidr kubernetes 10.96.0.0/16");
      expect(statusOf("servicecidrs")).toMatchObject({ synced: true, error: undefined });
    });
  }
});

describe("a broken watch", () => {
  it("goes on after a connection cut in the middle of an event", async () => {
    await open();
    const event = JSON.stringify({
      type: "ADDED",
      object: server.stamped(service("half", "10.96.0.9")),
    });
    server.write("services", event.slice(0, 40));
    server.put("endpointslices", slice("web-1", "10.0.0.1"));
    await saw("+ slice web-1 10.0.0.1");
    server.cut();
    server.put("services", service("half", "10.96.0.9"));
    await saw("+ service half 10.96.0.9");
    expect(statusOf("services")).toMatchObject({ lists: 1, error: undefined });
  });

  it("is well again as soon as the server agrees to the next, before anything happens", async () => {
    await open();
    server.cut();
    await reported("cut the connection, as a restart does");
    await watching();
    await until(() => resources.every((r) => statusOf(r)?.error === undefined), "no error");
    expect(seen.events).toHaveLength(5);
  });

  it("hears of deletions made while the server was away", async () => {
    server.put("services", service("web", "10.96.0.10"));
    server.put("services", service("db", "10.96.0.11"));
    await open();
    await server.close();
    server.delete("services", service("db", "10.96.0.11"));
    await reported("ECONNREFUSED");
    await server.listen();
    await saw("- service db");
    expect(statusOf("services")).toMatchObject({ objects: 1, lists: 1 });
  });

  it.each([
    ["an ERROR event", undefined],
    ["its answer", 410],
  ])("lists anew when the version is forgotten, said by %s, and diffs (PF-03)", async (_, code) => {
    for (const [index, name] of ["same", "changed", "gone"].entries()) {
      server.put("services", service(name, `10.96.0.${index + 1}`));
    }
    await open();
    seen.clear();
    await server.close();
    server.put("services", service("changed", "10.96.0.20"));
    server.delete("services", service("gone", "10.96.0.3"));
    server.put("services", service("new", "10.96.0.4"));
    if (code === undefined) server.compact();
    else
      next("services", "watch", (__, response) =>
        answer(response, code, status(code, "Expired", "old")),
      );
    await server.listen();
    await saw("+ service changed 10.96.0.20", "- service gone", "+ service new 10.96.0.4");
    await watching();
    expect(seen.lines.toSorted()).toEqual([
      "+ service changed 10.96.0.20",
      "+ service new 10.96.0.4",
      "- service gone",
    ]);
    expect(statusOf("services")).toMatchObject({ objects: 3, lists: 2 });
  });

  it("goes on from the last version after any other ERROR event", async () => {
    server.put("services", service("web", "10.96.0.10"));
    await open();
    const before = server.stamped(service("db", "10.96.0.11"));
    const events = [
      { type: "ADDED", object: before },
      { type: "ERROR", object: status(500, "InternalError", "etcd has no leader") },
    ];
    server.write("services", events.map((event) => `${JSON.stringify(event)}\n`).join(""));
    await saw("+ service db 10.96.0.11");
    await reported("cannot watch services: etcd has no leader");
    const version = String(before.metadata.resourceVersion);
    const last = () => server.requestsOf("services", "watch").at(-1)?.query.get("resourceVersion");
    await until(() => last() === version, "a watch from the last version");
    expect(statusOf("services")?.lists).toBe(1);
  });

  it("is noticed when it falls silent, and made anew (PF-03)", async () => {
    await open();
    await heard();
    clock.skip(150_000);
    clock.endSilences();
    await until(() => server.requestsOf("services", "watch").length === 2, "a second watch");
    await watching();
    expect({ reports, waits: clock.waits }).toEqual({ reports: [], waits: [] });
    server.put("services", service("web", "10.96.0.10"));
    await saw("+ service web 10.96.0.10");
    expect(statusOf("services")).toMatchObject({ lists: 1, error: undefined });
  });

  it("is noticed when it is not even agreed to, and asked for anew (PF-03)", async () => {
    next("services", "watch", () => true);
    start();
    await until(() => server.requestsOf("services", "watch").length === 1, "a watch");
    await until(() => seen.count("synced") === 5, "five lists");
    clock.endSilences();
    await reported("cannot watch services: nothing came for 150 s");
    await watching();
    expect(statusOf("services")?.lists).toBe(1);
  });

  it("is given up for a new list when its version brings nothing three times over (PF-03)", async () => {
    server.put("services", service("web", "10.96.0.10"));
    await open();
    for (let i = 0; i < 3; i++) {
      next("services", "watch", (_, response) =>
        answer(response, 504, status(504, "Timeout", "Too large resource version")),
      );
    }
    server.cut();
    await until(() => statusOf("services")?.lists === 2, "a second list");
    expect(seen.count("service")).toBe(1);
  });

  it("does not lose an answer that is no JSON, as a proxy in between may give", async () => {
    await open();
    next("services", "watch", (_, response) => answer(response, 200, "<html>oops</html>\n"));
    server.cut();
    await reported("check that http://127.0.0.1");
    await watching();
    server.put("services", service("web", "10.96.0.10"));
    await saw("+ service web 10.96.0.10");
  });
});

describe("bytes", () => {
  it("may part in the middle of a character", async () => {
    await open();
    const object = server.stamped(service("wéb", "10.96.0.10"));
    const bytes = Buffer.from(`${JSON.stringify({ type: "ADDED", object })}\n`);
    const middle = bytes.indexOf(0xc3) + 1;
    server.write("services", bytes.subarray(0, middle));
    server.put("nodes", { metadata: { name: "n1" } });
    await saw("+ node n1");
    server.write("services", bytes.subarray(middle));
    await saw("+ service wéb 10.96.0.10");
  });

  it("of one huge object arrive whole", async () => {
    await open();
    const addresses = Array.from({ length: 1000 }, (_, i) => `10.1.${i >> 8}.${i & 255 || 1}`);
    const huge = slice("huge", ...addresses);
    const annotations = { note: "x".repeat(4_000_000) };
    server.put("endpointslices", { ...huge, metadata: { ...huge.metadata, annotations } });
    await until(() => seen.count("slice") === 1, "the huge slice");
    expect(seen.events.at(-1)).toMatchObject({ slice: { endpoints: { length: 1000 } } });
  });
});

describe("refusals", () => {
  it("wait twice as long each time, up to 30 s, and half of it after a success", async () => {
    for (let i = 0; i < 9; i++) {
      next("nodes", "list", (_, response) =>
        answer(response, 500, status(500, "InternalError", "no")),
      );
    }
    await open();
    expect(clock.waits).toEqual([250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    clock.waits.length = 0;
    next("nodes", "watch", (_, response) =>
      answer(response, 500, status(500, "InternalError", "no")),
    );
    clock.skip(300_000);
    server.endWatches();
    await watching();
    expect(clock.waits).toEqual([250]);
  });

  it("for lack of rights say which role to bind, and end when it is bound", async () => {
    const message =
      'services is forbidden: User "system:serviceaccount:kube-system:sluice" cannot list resource "services" in API group "" at the cluster scope';
    next("services", "list", (_, response) =>
      answer(response, 403, status(403, "Forbidden", message)),
    );
    await open();
    expect(reports).toEqual([
      `cannot list services: ${message}; bind the agent's user or ServiceAccount to a ClusterRole that may get, list and watch services, nodes, endpointslices.discovery.k8s.io and servicecidrs.networking.k8s.io, as system:node-proxier may`,
    ]);
  });

  it("for bad credentials say what to renew", async () => {
    next("nodes", "list", (_, response) =>
      answer(response, 401, status(401, "Unauthorized", "Unauthorized")),
    );
    await open();
    expect(reports).toEqual([
      "cannot list nodes: Unauthorized; the token or client certificate is missing, expired or of another cluster: renew it in the kubeconfig or remount the ServiceAccount token",
    ]);
  });

  it.each([429, 503])("with HTTP status %i wait as long as the server asks", async (code) => {
    next("services", "list", (_, response) =>
      answer(response, code, "busy", { "Retry-After": "17" }),
    );
    await open();
    expect(clock.waits).toEqual([17_000]);
    expect(reports).toEqual([`cannot list services: HTTP status ${code}`]);
  });

  it("of the connection say so, in the status too, until the server is there", async () => {
    await server.close();
    start();
    await reported("check that the API server runs and that its address is right");
    expect(statusOf("services")?.error).toMatch(/^cannot list services: .*ECONNREFUSED/);
    expect(statusOf("services")?.synced).toBe(false);
    await server.listen();
    await until(() => seen.count("synced") === 5, "five lists");
    await watching();
    expect(statusOf("services")?.error).toBeUndefined();
  });

  it("never stop the source from stopping", async () => {
    await open();
    await source.stop();
    await until(() => !resources.some((resource) => server.watching(resource)), "no watch");
    seen.clear();
    server.put("services", service("web", "10.96.0.10"));
    expect(seen.events).toEqual([]);
  });
});
