import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { kernelMaps } from "../../agent/datapath/kernel_maps.ts";
import type { ServiceMaps } from "../../agent/datapath/maps.ts";
import { nodeMaps } from "../../agent/datapath/node_maps.ts";
import { keyOfRange } from "../../agent/datapath/source_range.ts";
import { addressBytes } from "../../agent/model/ip.ts";
import { keyOfText } from "../../agent/reconcile/frontend_text.ts";
import { SettingsFlag } from "../../bpf/build/layout.ts";
import { type Site, startLoad } from "../harness/load.ts";
import type { TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";
import { ask } from "./ask.ts";
import { tcp } from "./manifests.ts";
import { ServedNode } from "./served_node.ts";

const nodePort = 30_540;
const web = { ip4: "10.96.54.1", ip6: "fd00:96::54:1" };
const balancer = "203.0.113.54";
const nodes = "172.30.0.0/16";
const other = { ip4: "10.96.54.2", ip6: "fd00:96::54:2" };

/** KP-54: kube-proxy writes everything anew each hour, so that what somebody else broke heals. */
describe("an agent whose maps somebody else has written to", () => {
  let served: ServedNode;
  let client: TestPod;
  let maps: ServiceMaps;

  beforeAll(async () => {
    served = await ServedNode.start({
      flags: ["--audit-period=1s", "--nodeport-addresses=primary"],
    });
    client = await served.node.makePod("client");
    const [one, two] = [
      { pod: await served.backend("one", { tcp: [8080] }) },
      { pod: await served.backend("two", { tcp: [8080] }) },
    ];
    const ports = [{ ...tcp(80, 8080), nodePort }];
    await served.publish({ name: "web", ...web, ports, endpoints: [one] });
    await served.publish({
      name: "other",
      ...other,
      ports: [tcp(80, 8080)],
      endpoints: [one, two],
    });
    await served.publish({
      name: "limited",
      ip4: "10.96.54.3",
      ports: [tcp(80, 8080)],
      endpoints: [one],
      loadBalancerIPs: [balancer],
      sourceRanges: ["192.0.2.0/24", nodes],
    });
    maps = kernelMaps((name) => served.map(name));
  });
  beforeEach(async () => {
    expect(await ask(client, "tcp", web.ip4, 80)).toMatchObject({ backend: "one" });
  });
  afterAll(() => served?.[Symbol.asyncDispose]());

  const audits = async () => (await served.agent.status()).sync.audits;
  const repairs = async (map: string) => (await audits()).repairs[map] ?? 0;
  const serviceOf = (address: string) => {
    const key = JSON.stringify(keyOfText(`${address}:80/TCP`));
    const entry = [...maps.frontends.entries()].find(([it]) => JSON.stringify(it) === key);
    if (entry === undefined) throw new Error(`${address} has no frontend`);
    return entry[1].service;
  };

  /** Breaks something while the agent stands still, sees it broken, and waits until it works. */
  const heals = async (map: string, plant: () => void, works: () => Promise<boolean>) => {
    const before = await repairs(map);
    const load = await startLoad(
      client,
      { protocol: "tcp", address: other.ip4, port: 80 },
      { gapUs: 500, summary: true },
    );
    process.kill(served.agent.pid, "SIGSTOP");
    try {
      plant();
      expect(await works()).toBe(false);
    } finally {
      process.kill(served.agent.pid, "SIGCONT");
    }
    await until(works, { deadlineMs: 20_000, describe: `${map} to be mended` });
    await until(async () => (await repairs(map)) > before, {
      deadlineMs: 20_000,
      describe: `the repair of ${map} to be counted`,
    });
    const summary = await load.stop();
    expect(summary).toMatchObject({ failed: 0, errors: {} });
    expect(summary.ok).toBeGreaterThan(0);
  };
  const connects = async (address: string, port = 80, from: Site = client) =>
    typeof (await ask(from, "tcp", address, port)) === "object";

  it("finds nothing where nobody has, and writes nothing (KP-54)", async () => {
    const { sync } = await served.agent.status();
    const { count } = sync.audits;
    await until(async () => (await audits()).count >= count + 2, {
      deadlineMs: 20_000,
      describe: "two audits",
    });
    const after = (await served.agent.status()).sync;
    expect(after.writes).toEqual(sync.writes);
    expect(Object.values(after.audits.repairs).every((found) => found === 0)).toBe(true);
  });

  for (const address of [web.ip4, web.ip6]) {
    it(`serves ${address} again whose frontend was deleted (KP-54)`, async () => {
      const text = `${address.includes(":") ? `[${address}]` : address}:80/TCP`;
      await heals(
        "frontends",
        () => maps.frontends.delete([keyOfText(text)]),
        () => connects(address),
      );
      expect(served.agent.log).toContain(`${text} was missing`);
    });
  }

  it("serves a Service again whose slice was cleared (KP-54)", async () => {
    const mine = serviceOf(web.ip4);
    await heals(
      "services",
      () => maps.services.setCluster(mine, 0n),
      () => connects(web.ip4),
    );
    expect(served.agent.log).toContain(
      "default/web:tcp-80/TCP/IPv4: its endpoints were not what was written",
    );
  });

  it("leads nobody to a backend that was changed in place (KP-54)", async () => {
    const mine = serviceOf(web.ip4);
    const backend = maps.slots[Number(maps.services.cluster(mine) & 0xffff_ffffn)] ?? 0;
    await heals(
      "services",
      () => maps.backends.setPort(backend, 9),
      () => connects(web.ip4),
    );
  });

  it("lets a client in again whose source range was deleted (KP-54, KP-24)", async () => {
    const range = keyOfRange(serviceOf(balancer), nodes);
    await heals(
      "source_ranges",
      () => maps.sourceRanges.delete([range]),
      () => connects(balancer, 80, served.node),
    );
    expect(served.agent.log).toContain("it was open to 192.0.2.0/24 instead of");
  });

  it("answers at the NodePort again when the node's address was forgotten (KP-54)", async () => {
    const { addresses } = nodeMaps((name) => served.map(name));
    const key = new Uint8Array(16);
    addressBytes(served.node.ip4, key, 0);
    await heals(
      "node_addresses",
      () => addresses.delete(key),
      () => connects(served.node.ip4, nodePort),
    );
    expect(served.agent.log).toContain(`${served.node.ip4}: was not what was written`);
  });

  it("finds NodePorts again whose bounds were lost, and other settings (KP-54)", async () => {
    const { settings } = nodeMaps((name) => served.map(name));
    const flags = settings.flags(0);
    await heals(
      "settings",
      () => {
        maps.nodePorts.setBounds({ first: 1, last: 0 });
        settings.setFlags(0, flags | SettingsFlag.CLUSTER_IP_FROM_OUTSIDE);
      },
      async () => (await connects(served.node.ip4, nodePort)) && settings.flags(0) === flags,
    );
  });
});
