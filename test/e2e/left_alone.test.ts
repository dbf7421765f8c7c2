import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { command } from "../harness/command.ts";
import { attempt } from "../harness/load.ts";
import { netnsPath } from "../harness/netns.ts";
import { addressesOf, exposed, families, NorthSouth, protocols } from "./north_south.ts";

let stage: NorthSouth;

beforeAll(async () => {
  stage = await NorthSouth.prepare();
});
afterAll(() => stage?.[Symbol.asyncDispose]());

/** What these say in the network of a node or a pod, without what the kernel changes by itself. */
async function stateOf(netns: string): Promise<Readonly<Record<string, readonly string[]>>> {
  const within = async (...words: readonly string[]) => {
    const text = await command("nsenter", [`--net=${netnsPath(netns)}`, ...words]);
    return text.split("\n").filter((line) => !/nf_conntrack_count|fe80:/.test(line));
  };
  return {
    sysctls: await within("sysctl", "-a", "-r", "^net\\."),
    addresses: await within("ip", "-o", "address"),
    routes: await within("ip", "route", "show", "table", "all"),
    routes6: await within("ip", "-6", "route", "show", "table", "all"),
    devices: await within("ip", "-o", "-br", "link"),
    rules: await within("nft", "list", "ruleset"),
    virtualServers: await within("sh", "-c", "cat /proc/net/ip_vs 2>/dev/null || true"),
  };
}

describe("a node whose Services are served at every kind of address", () => {
  it("has no other sysctl, address, route, device, netfilter rule or virtual server (KP-53, KP-80, KP-83, PF-46)", async () => {
    const { a } = stage.nodes;
    const pod = await stage.pod(a, "web");
    const states = () => Promise.all([a.netns, pod.netns].map(stateOf));
    const before = await states();
    expect(before[0]?.sysctls?.length).toBeGreaterThan(500);
    expect(before[0]?.addresses?.join()).toContain(a.ip4);
    await stage.startAgents();
    await stage.publish(exposed("web", 1, { endpoints: [{ pod, nodeName: "a" }] }));
    for (const family of families) {
      for (const address of [a[family], ...Object.values(addressesOf(1, family))]) {
        for (const protocol of protocols) {
          const port = address === a[family] ? 30_001 : 80;
          const [answer] = await attempt(pod, { protocol, address, port });
          expect(answer, `${protocol} ${address}`).toMatchObject({ ok: true, backend: "web" });
        }
      }
    }
    expect(await states()).toEqual(before);
  });
});
