import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attempt } from "../harness/load.ts";
import type { TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";
import { type KeptLoad, startKeptLoad } from "./kept_load.ts";
import { exposed, type Family, NorthSouth } from "./north_south.ts";

const families = [
  { family: "ip4", iptables: "iptables" },
  { family: "ip6", iptables: "ip6tables" },
] as const;

describe("connections that another proxy has translated", () => {
  let stage: NorthSouth;
  let mine: TestPod;
  const theirs: KeptLoad[] = [];
  const port = 30_001;

  beforeAll(async () => {
    stage = await NorthSouth.prepare();
    const near = await stage.pod(stage.nodes.a, "theirs-near");
    const far = await stage.pod(stage.nodes.b, "theirs-far");
    mine = await stage.pod(stage.nodes.a, "mine");
    for (const { family, iptables } of families) {
      for (const pod of [near, far]) {
        await redirect(iptables, pod[family]);
        theirs.push(await startKeptLoad(stage.client, nodePort(family)));
      }
    }
    await stage.publish(exposed("web", 1, { endpoints: [{ pod: mine, nodeName: "a" }] }));
    await stage.startAgents();
    await stage.agent.hasEndpoints("web", 1);
  });
  afterAll(() => stage?.[Symbol.asyncDispose]());

  const nodePort = (family: Family) => ({
    protocol: "tcp" as const,
    address: stage.nodes.a[family],
    port,
  });

  /** New connections to the NodePort go to this pod from now on, with the node's address. */
  async function redirect(iptables: string, address: string): Promise<void> {
    const to = address.includes(":") ? `[${address}]:8080` : `${address}:8080`;
    const match = ["-p", "tcp", "--dport", `${port}`, "-j", "DNAT", "--to-destination", to];
    await run(iptables, "-t", "nat", "-I", "PREROUTING", ...match);
    const masquerade = ["-d", address, "-p", "tcp", "--dport", "8080", "-j", "MASQUERADE"];
    await run(iptables, "-t", "nat", "-A", "POSTROUTING", ...masquerade);
  }

  async function run(command: string, ...args: readonly string[]): Promise<void> {
    const { code, stderr } = await stage.nodes.a.run(command, args);
    if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
  }

  it("go on undisturbed, and new ones are ours (PF-40)", async () => {
    expect(theirs.map(({ backend }) => backend)).toEqual([
      "theirs-near",
      "theirs-far",
      "theirs-near",
      "theirs-far",
    ]);
    for (const { family } of families) {
      const attempts = await attempt(stage.client, nodePort(family), { count: 20 });
      expect(new Set(attempts.map((each) => each.ok && each.backend))).toEqual(new Set(["mine"]));
    }
    for (const { load, backend } of theirs) {
      const made = load.attempts.length;
      await until(() => load.attempts.length > made + 100, {
        deadlineMs: 10_000,
        describe: "a hundred more exchanges",
      });
      const summary = await load.stop();
      expect(summary.failed).toBe(0);
      expect(Object.keys(summary.backends)).toEqual([backend]);
    }
  });
});
