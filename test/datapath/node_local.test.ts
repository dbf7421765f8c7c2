import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { HostPod } from "../harness/host_pod.ts";
import { startLoad } from "../harness/load.ts";
import type { TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";
import { ask } from "./ask.ts";
import { tcp, udp } from "./manifests.ts";
import { ServedNode } from "./served_node.ts";

const dns = { ip4: "10.96.45.10", ip6: "fd00:96::45:10" };
const other = { ip4: "10.96.45.11", ip6: "fd00:96::45:11" };
const external = "198.51.100.45";
const device = "nodelocaldns";
const families = [dns.ip4, dns.ip6] as const;

/**
 * As NodeLocal DNSCache does it: a process of the node that answers at a ClusterIP which it has put
 * on a device of its own, for the pods of that node.
 */
describe("a ClusterIP that a process of this node has bound", () => {
  let served: ServedNode;
  let client: TestPod;
  /** Its packets are translated at its device. */
  let sandboxed: TestPod;
  let cache: HostPod;

  beforeAll(async () => {
    served = await ServedNode.start();
    const { node } = served;
    client = await node.makePod("client");
    sandboxed = await node.makePod("sandboxed", { sandboxed: true });
    cache = await HostPod.create("cache", node);
    await cache.serve({ tcp: [53], udp: [53] });
    const endpoints = [{ pod: await served.backend("coredns", { tcp: [53], udp: [53] }) }];
    const ports = [tcp(53, 53), udp(53, 53)];
    await served.publish({ name: "kube-dns", ...dns, ports, endpoints, externalIPs: [external] });
    await served.publish({ name: "other", ...other, ports, endpoints });
    // A dummy device would do; a veth pair is what every kernel here has.
    await ip("link", "add", device, "type", "veth", "peer", "name", "nodelocal-end");
    for (const end of [device, "nodelocal-end"]) await ip("link", "set", end, "up");
  });
  afterEach(() => unbind(...families, external));
  afterAll(async () => {
    await cache?.[Symbol.asyncDispose]();
    await served?.[Symbol.asyncDispose]();
  });

  const ip = async (...args: readonly string[]) => {
    const { code, stderr } = await served.node.run("ip", args);
    if (code !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
  };
  const whole = (address: string) => `${address}/${address.includes(":") ? 128 : 32}`;
  const bind = async (...addresses: readonly string[]) => {
    for (const each of addresses) {
      const flags = each.includes(":") ? ["nodad"] : [];
      await ip("address", "add", whole(each), "dev", device, ...flags);
    }
  };
  const unbind = async (...addresses: readonly string[]) => {
    for (const each of addresses) {
      await served.node.run("ip", ["address", "del", whole(each), "dev", device]);
    }
  };
  const left = async () => (await served.agent.status()).leftToNode;
  const isLeft = (...addresses: readonly string[]) =>
    until(async () => (await left()).map(({ address }) => address).join() === addresses.join(), {
      deadlineMs: 10_000,
      describe: `${addresses.join(" and ") || "nothing"} to be left to the node`,
    });
  const answerers = async (address: string, from = client) => {
    const answers = [];
    for (const [protocol, options] of [
      ["tcp", {}],
      ["udp", {}],
      ["udp", { unconnected: true }],
    ] as const) {
      const answer = await ask(from, protocol, address, 53, options);
      answers.push(typeof answer === "string" ? answer : answer.backend);
    }
    return answers;
  };

  it("is left to it in either family, over UDP and TCP, and served again after it (PF-45)", async () => {
    for (const address of families) {
      expect(await answerers(address)).toEqual(["coredns", "coredns", "coredns"]);
    }
    await bind(...families);
    await isLeft(...families);
    for (const address of families) {
      expect(await answerers(address)).toEqual(["cache", "cache", "cache"]);
      expect(await answerers(address, sandboxed)).toEqual(["cache", "cache", "cache"]);
    }
    expect(await left()).toEqual([
      { service: "default/kube-dns", address: dns.ip4, device },
      { service: "default/kube-dns", address: dns.ip6, device },
    ]);
    expect((await served.agent.run("status")).stdout).toContain(
      `${dns.ip4}        default/kube-dns   device ${device} has it: whoever listens there answers`,
    );
    const { stdout } = await served.agent.run("service", "get", "default/kube-dns");
    for (const address of families) {
      expect(stdout).toMatch(
        new RegExp(`Left to the node: +${address}, which device ${device} has`),
      );
    }

    await unbind(...families);
    await isLeft();
    for (const address of families) {
      expect(await answerers(address)).toEqual(["coredns", "coredns", "coredns"]);
    }
  });

  it("answers for itself at the ports that the Service does not have (PF-45, KP-31)", async () => {
    await using late = await cache.serve({ tcp: [8080], udp: [] });
    expect(await ask(client, "tcp", dns.ip4, 8080)).toBe("ECONNREFUSED");
    await bind(dns.ip4);
    await isLeft(dns.ip4);
    expect(await ask(client, "tcp", dns.ip4, 8080)).toMatchObject({ backend: "cache" });
    expect(late.exit).toBeUndefined();
  });

  it("leaves the Service's other addresses as they are, also those that the node has (PF-45)", async () => {
    await bind(dns.ip4, external);
    await isLeft(dns.ip4);
    expect(await answerers(dns.ip6)).toEqual(["coredns", "coredns", "coredns"]);
    expect(await answerers(external)).toEqual(["coredns", "coredns", "coredns"]);
  });

  it("comes and goes without a failure of any other Service (PF-45)", async () => {
    const load = await startLoad(
      client,
      { protocol: "tcp", address: other.ip4, port: 53 },
      { gapUs: 500, summary: true },
    );
    for (let n = 0; n < 5; n++) {
      await bind(...families);
      await isLeft(...families);
      await unbind(...families);
      await isLeft();
    }
    const { ok, failed } = await load.stop();
    expect(failed).toBe(0);
    expect(ok).toBeGreaterThan(0);
  });

  it("is left to it by an agent that starts while it is bound (PF-45)", async () => {
    await bind(...families);
    await isLeft(...families);
    await served.agent.stop();
    await served.agent.begin();
    expect((await left()).map(({ address }) => address)).toEqual([...families]);
    expect(await answerers(dns.ip4)).toEqual(["cache", "cache", "cache"]);
  });
});
