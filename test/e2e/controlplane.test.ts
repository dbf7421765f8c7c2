import { access, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VersionApi, Watch } from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Api } from "../controlplane/api.ts";
import { findBinary } from "../controlplane/binaries.ts";
import { ControlPlane } from "../controlplane/controlplane.ts";
import { finish, start } from "../harness/child.ts";
import { Cluster } from "../harness/cluster.ts";
import { findMade, ownPrefix, sweep } from "../harness/leftovers.ts";
import { attempt } from "../harness/load.ts";
import { until } from "../harness/until.ts";

/** Resumes a watch of Services and gives its first event that is no bookmark. */
async function resumeWatch(controlPlane: ControlPlane, resourceVersion: string) {
  const { promise, resolve, reject } = Promise.withResolvers<{ phase: string; code?: number }>();
  const watch = await new Watch(controlPlane.api.config).watch(
    "/api/v1/services",
    { resourceVersion },
    (phase, object) => resolve({ phase, code: object.code, ...object.metadata }),
    (error) => reject(error ?? new Error("the watch ended without an event")),
  );
  const event = await promise;
  watch.abort();
  return event;
}

/** The processes on whose command line the text stands. */
async function processesNaming(text: string): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
  return commands.filter((command) => command.includes(text));
}

const web = { selector: { app: "web" }, ports: [{ name: "http", port: 80, targetPort: "http" }] };
const dualStack = { ...web, ipFamilyPolicy: "RequireDualStack" };

describe("the real control plane", () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await Cluster.start();
    await cluster.addNode("a", { "topology.kubernetes.io/zone": "z1" });
    await cluster.addNode("b", { "topology.kubernetes.io/zone": "z2" });
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it("is of release 1.36 and knows the nodes", async () => {
    const version = await cluster.api.config.makeApiClient(VersionApi).getCode();
    expect(`${version.major}.${version.minor}`).toBe("1.36");
    const { items } = await cluster.api.core.listNode();
    expect(items.map(({ metadata }) => metadata?.name)).toEqual(["a", "b"]);
    expect(items[0]?.spec?.podCIDRs).toEqual(["10.244.1.0/24", "fd00:10:244:1::/64"]);
    expect(items[0]?.status?.addresses?.map(({ address }) => address)).toEqual([
      "172.30.0.1",
      "fd00:172:30::1",
      "a",
    ]);
  });

  it("writes dual-stack EndpointSlices for a Service and its pods", async () => {
    await cluster.api.createService("web", dualStack);
    const deployment = await cluster.deployment("web", {
      replicas: 2,
      ports: [{ name: "http", port: 8080 }],
    });
    const [first, second] = deployment.pods.map(({ pod }) => pod);
    await cluster.api.waitForReady("web", [first!.ip4, first!.ip6, second!.ip4, second!.ip6]);
    const common = { ready: true, serving: true, terminating: false };
    expect(await cluster.api.endpoints("web")).toEqual([
      { address: "10.244.1.2", family: "IPv4", pod: "web-0", node: "a", ...common },
      { address: "10.244.2.2", family: "IPv4", pod: "web-1", node: "b", ...common },
      { address: "fd00:10:244:1::2", family: "IPv6", pod: "web-0", node: "a", ...common },
      { address: "fd00:10:244:2::2", family: "IPv6", pod: "web-1", node: "b", ...common },
    ]);
    await deployment.remove();
    await cluster.api.waitForReady("web", []);
    await cluster.api.deleteService("web");
  });

  it("gives Services addresses of both families from its ranges", async () => {
    const service = await cluster.api.createService("ranges", dualStack);
    expect(service.spec?.clusterIPs).toEqual([
      expect.stringMatching(/^10\.96\.\d+\.\d+$/),
      expect.stringMatching(/^fd00:96::/),
    ]);
    await cluster.api.deleteService("ranges");
  });

  it("serves pods whose objects it holds, and tells readiness and termination", async () => {
    await cluster.api.createService("web", web);
    const deployment = await cluster.deployment("web", {
      replicas: 1,
      ports: [{ name: "http", port: 8080 }],
    });
    const [only] = deployment.pods;
    const { ip4 } = only!.pod;
    await cluster.api.waitForReady("web", [ip4]);
    const client = await cluster.nodes[1]!.makePod("client");
    const to = { protocol: "tcp", address: ip4, port: 8080 } as const;
    expect(await attempt(client, to)).toMatchObject([{ ok: true, backend: "web-0" }]);

    await only!.setReady(false);
    await cluster.api.waitForReady("web", []);
    await only!.setReady(true);
    await cluster.api.waitForReady("web", [ip4]);
    await deployment.remove(async () => {
      const [endpoint] = await cluster.api.waitForEndpoints("web", ([each]) => !each?.ready, {
        deadlineMs: 30_000,
        describe: "the endpoint to be terminating",
      });
      expect(endpoint).toMatchObject({ ready: false, serving: true, terminating: true });
      expect(await attempt(client, to)).toMatchObject([{ ok: true, backend: "web-0" }]);
    });
    await cluster.api.deleteService("web");
  });

  it("keeps what it holds when its API server is killed, and goes on reconciling", async () => {
    await cluster.api.createService("kept", { ...web, selector: { app: "kept" } });
    await cluster.controlPlane.stopApiServer();
    await expect(cluster.api.core.listNode()).rejects.toThrow();
    await cluster.controlPlane.startApiServer();
    const kept = await cluster.api.core.readNamespacedService({
      namespace: "default",
      name: "kept",
    });
    expect(kept.spec?.selector).toEqual({ app: "kept" });

    const deployment = await cluster.deployment("kept", {
      replicas: 1,
      ports: [{ name: "http", port: 8080 }],
    });
    await cluster.api.waitForReady("kept", [deployment.pods[0]!.pod.ip4]);
    await deployment.remove();
    await cluster.api.deleteService("kept");
  });

  it("lets the user system:kube-proxy read what a proxy needs, and write no Service", async () => {
    const kubeconfig = await cluster.controlPlane.kubeconfigFor("system:kube-proxy");
    const proxy = new Api(kubeconfig);
    const slices = await proxy.discovery.listEndpointSliceForAllNamespaces();
    expect(slices.items.length).toBeGreaterThan(0);
    await expect(proxy.createService("forbidden", web)).rejects.toMatchObject({ code: 403 });
  });

  it("refuses connections at a gate that is shut, and relays again when it is opened", async () => {
    const gate = await cluster.controlPlane.gate();
    const kubeconfig = await cluster.controlPlane.kubeconfigFor("admin", gate.url);
    const behind = new Api(kubeconfig);
    expect((await behind.core.listNode()).items).toHaveLength(2);
    await gate.shut();
    await expect(behind.core.listNode()).rejects.toThrow();
    await gate.open();
    expect((await behind.core.listNode()).items).toHaveLength(2);
  });

  it("serves a watch resumed within the window, and answers 410 after expireWatches", async () => {
    const { metadata } = await cluster.api.core.listServiceForAllNamespaces();
    const before = metadata?.resourceVersion ?? "";
    await cluster.api.createService("during", web);
    const resumed = await resumeWatch(cluster.controlPlane, before);
    expect(resumed).toMatchObject({ phase: "ADDED", name: "during" });

    await cluster.controlPlane.expireWatches();
    const expired = await resumeWatch(cluster.controlPlane, before);
    expect(expired).toMatchObject({ phase: "ERROR", code: 410 });
    await cluster.api.deleteService("during");
  });

  it("answers 410 to a list that is continued after expireWatches", async () => {
    const first = await cluster.api.core.listNode({ limit: 1 });
    await cluster.api.patchNode("a", { metadata: { labels: { step: "after-first-page" } } });
    await cluster.controlPlane.expireWatches();
    const _continue = first.metadata?._continue ?? "";
    expect(_continue).not.toBe("");
    await expect(cluster.api.core.listNode({ limit: 1, _continue })).rejects.toMatchObject({
      code: 410,
    });
  });
});

describe("what control planes leave", () => {
  it("is nothing, and two of them stand side by side", async () => {
    const [one, other] = await Promise.all([ControlPlane.start(), ControlPlane.start()]);
    await one.api.createNode({ metadata: { name: "only-here" } });
    expect((await other.api.core.listNode()).items).toEqual([]);
    await Promise.all([one[Symbol.asyncDispose](), other[Symbol.asyncDispose]()]);
    await expect(access(one.folder)).rejects.toThrow("ENOENT");
    expect(await findMade((name) => name.startsWith(ownPrefix))).toEqual([]);
  });

  it("is no process, even when the test that started them is killed", async () => {
    const crashing = `
      const { ControlPlane } = await import("${import.meta.dirname}/../controlplane/controlplane.ts");
      console.log((await ControlPlane.start()).folder);
      process.kill(process.pid, "SIGKILL");`;
    const run = await finish(start(process.execPath, ["--input-type=module", "-e", crashing]));
    const folder = run.stdout.trim();
    expect(folder).toContain("sluice-t-");
    await until(async () => (await processesNaming(folder)).length === 0, {
      deadlineMs: 5_000,
      describe: "the processes of the crashed test to end",
    });
    await sweep();
    await expect(access(folder)).rejects.toThrow("ENOENT");
  });

  it("takes the components from KUBEBUILDER_ASSETS where that has them", async () => {
    const assets = await mkdtemp(join(tmpdir(), `${ownPrefix}assets-`));
    await writeFile(join(assets, "etcd"), "#!/bin/sh\necho etcd of the assets; exit 1\n", {
      mode: 0o755,
    });
    vi.stubEnv("KUBEBUILDER_ASSETS", assets);
    try {
      await expect(ControlPlane.start()).rejects.toThrow("etcd of the assets");
      expect(await findBinary("etcd")).toEqual({ path: join(assets, "etcd"), args: [] });
      expect(await findBinary("kube-proxy")).toMatchObject({ args: ["kube-proxy"] });
    } finally {
      vi.unstubAllEnvs();
      await rm(assets, { recursive: true });
    }
  });

  it("says the last lines of the log of a component that does not start", async () => {
    const starting = ControlPlane.start({ apiServerFlags: ["--no-such-flag"] });
    await expect(starting).rejects.toThrow("unknown flag: --no-such-flag");
  });
});
