import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { kubeProxyFlags } from "../../agent/config/kube_proxy/flags.ts";
import { run } from "../cli/fixture.ts";
import { kubeProxyFile, start } from "../cli/started.ts";
import { type Binary, findBinary } from "../controlplane/binaries.ts";
import { type Finished, finish, start as startChild } from "../harness/child.ts";
import { ownPrefix } from "../harness/leftovers.ts";

const kubeadm = join(import.meta.dirname, "../cli/kubeadm/config.conf");

let binary: Binary;
let folder: string;
beforeAll(async () => {
  binary = await findBinary("kube-proxy");
  folder = await mkdtemp(join(tmpdir(), `${ownPrefix}oracle-`));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Has the real kube-proxy read a file, check it, and end. */
async function kubeProxy(text: string): Promise<Finished> {
  const file = join(folder, "config.conf");
  await writeFile(file, text);
  const flags = [`--config=${file}`, `--write-config-to=${join(folder, "written")}`];
  return await finish(startChild(binary.path, [...binary.args, ...flags]));
}

const sluice = async (text: string) => await start("--config=/c.conf --node-name=a", text);

describe("a file that the real kube-proxy takes", () => {
  it.each([
    "",
    "mode: ipvs",
    "mode: nftables",
    "bindAddress: fd00::1",
    "healthzBindAddress: 0.0.0.0",
    'metricsBindAddress: "[::1]:10249"',
    "nodePortAddresses: [primary]",
    "nodePortAddresses: [10.1.2.3/8, fd00::/8]",
    "clusterCIDR: 10.244.0.0/16,fd00:10:244::/48",
    "detectLocalMode: NodeCIDR",
    "detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: veth}",
    "ipvs: {excludeCIDRs: [none], syncPeriod: -1s}",
    "conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, udpTimeout: 1.5h}",
    "logging: {format: json, flushFrequency: 5000000000, verbosity: 9}",
    "logging: {vmodule: [{filePattern: a, verbosity: 2}]}",
    "featureGates: {AllAlpha: false}",
    "oomScoreAdj: -1000",
    "clientConnection: null\nconntrack: null",
    "colour: red\nconntrack: {colour: red}\nmode: ipvs\nmode: nftables",
  ])("starts the agent: %j (KP-50)", async (lines) => {
    const text = kubeProxyFile(lines);
    const theirs = await kubeProxy(text);
    expect([theirs.code, theirs.stderr]).toEqual([0, expect.stringContaining("Wrote config")]);
    expect(await sluice(text)).toMatchObject({ code: 0, err: "" });
  });

  it("is kubeadm's, and what sluice writes for itself, without a field that is unknown (KP-51, KP-52)", async () => {
    const { calls } = await run("agent --write-config-to=/out --max-flows=9 --proxy-mode=ipvs");
    for (const text of [await readFile(kubeadm, "utf8"), calls[0]!.replace("write /out\n", "")]) {
      const { code, stderr } = await kubeProxy(text);
      expect([code, stderr]).toEqual([0, expect.not.stringContaining("lenient")]);
    }
  });
});

describe("what the real kube-proxy has", () => {
  it("is a flag of sluice's as well, but for those of cAdvisor (KP-52)", async () => {
    const child = startChild(binary.path, [...binary.args, "--help"]);
    const { stdout } = await finish(child);
    const theirs = [...stdout.matchAll(/^ +(?:-\w, )?--([a-z-]+)/gm)].map(([, name]) => name);
    const own = ["cleanup", "config", "help", "init-only", "master", "version", "write-config-to"];
    const ours = new Set([...own, ...kubeProxyFlags.map(({ name }) => name)]);
    const others = theirs.filter((name = "") => !ours.has(name));
    expect(theirs.length - others.length).toBe(55);
    expect(others.filter((name = "") => !ofCadvisor.test(name))).toEqual([]);
  });

  it("is a field of what sluice writes, with its value or default, but for a few (KP-50)", async () => {
    const text = await readFile(kubeadm, "utf8");
    expect((await kubeProxy(text)).code).toBe(0);
    const theirs = leavesOf(await readFile(join(folder, "written"), "utf8"));
    const { calls } = await start("--config=/c.conf --write-config-to=/out", text);
    const ours = leavesOf((calls[0] ?? "").replace("write /out\n", ""));
    const differing = [...theirs].filter(([path, value]) => ours.get(path) !== value);
    expect(Object.fromEntries(differing)).toEqual({
      // Unset they mean what the node's nf_conntrack has, and an hour.
      "conntrack.tcpCloseWaitTimeout": '"1h0m0s"',
      "conntrack.tcpEstablishedTimeout": '"24h0m0s"',
      // It is none of the three.
      mode: '"iptables"',
      // What kube-proxy writes in mode iptables of periods that it has no use for.
      "ipvs.syncPeriod": '"0s"',
      "nftables.minSyncPeriod": '"0s"',
      "nftables.syncPeriod": '"0s"',
    });
    expect(theirs.size).toBe(57);
  });
});

const ofCadvisor =
  /^(allow-dynamic-|application-metrics|boot-id|container|crio|disable-root-|docker|enable-load-|event-storage|(global-|max-)?housekeeping|log-cadvisor|machine-id|referenced-reset|storage-driver|update-machine-)/;

/** Every value of the first document, by its path. */
function leavesOf(text: string): ReadonlyMap<string, string> {
  const leaves = new Map<string, string>();
  const walk = (value: unknown, path: string): void => {
    if (value === null || typeof value !== "object" || Array.isArray(value)) {
      leaves.set(path, JSON.stringify(value));
      return;
    }
    for (const [key, each] of Object.entries(value)) walk(each, path ? `${path}.${key}` : key);
  };
  walk(parseAllDocuments(text)[0]?.toJS(), "");
  return leaves;
}

describe("a file that the real kube-proxy refuses", () => {
  it.each([
    "mode: userspace",
    "mode: [ipvs]",
    "bindAddress: node-1",
    "healthzBindAddress: node-1:80",
    "nodePortAddresses: [primary, 10.0.0.0/8]",
    "nodePortAddresses: 10.0.0.0/8",
    "clusterCIDR: 10.0.0.0/8,11.0.0.0/8",
    "detectLocalMode: Cluster",
    "detectLocalMode: BridgeInterface",
    "mode: ipvs\nipvs: {excludeCIDRs: [none]}",
    "conntrack: {maxPerCore: many}",
    "conntrack: {maxPerCore: -1}",
    "conntrack: {udpTimeout: 30}",
    "conntrack: {udpTimeout: -1s}",
    "conntrack: []",
    "iptables: {masqueradeBit: 32}",
    "logging: {format: xml}",
    "featureGates: {AllAlpha: maybe}",
    "oomScoreAdj: 1001",
    "clientConnection: {burst: 1.5}",
    "clientConnection: {qps: fast}",
  ])("does not start the agent, which names the path: %j (KP-50)", async (lines) => {
    const text = kubeProxyFile(lines);
    expect((await kubeProxy(text)).code).toBe(1);
    const { code, err } = await sluice(text);
    expect(code).toBe(2);
    expect(err).toMatch(/^error: \/c\.conf: [a-zA-Z.]+(\[\d\])?: .* is not valid; use .*\n$/);
  });
});
