import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BpfLink, BpfProgram } from "libbpf-ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownPrefix } from "../harness/leftovers.ts";
import { type Load, startLoad } from "../harness/load.ts";
import { until } from "../harness/until.ts";
import { exposed, families, NorthSouth, protocols } from "./north_south.ts";
import { rebuildAgent } from "./rebuilt_agent.ts";

describe("an agent that goes, while traffic from outside is under way", () => {
  let stage: NorthSouth;
  let folder: string;
  const loads: Load[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), `${ownPrefix}rebuilt-`));
    stage = await NorthSouth.start();
    for (const [index, node] of (["a", "b"] as const).entries()) {
      const pod = await stage.pod(stage.nodes[node], `web-${node}`);
      await stage.publish(exposed(node, 1 + index, { endpoints: [{ pod, nodeName: node }] }));
    }
    for (const port of [30_001, 30_002]) {
      for (const family of families) {
        for (const protocol of protocols) {
          const to = { protocol, address: stage.nodes.a[family], port };
          for (const keep of [true, false]) {
            loads.push(await startLoad(stage.client, to, { keep, gapUs: 3_000 }));
          }
        }
      }
    }
  });
  afterAll(async () => {
    await stage?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  /** A hundred more exchanges of each load: connections, kept ones, datagrams. */
  async function goesOn(): Promise<void> {
    const made = loads.map(({ attempts }) => attempts.length);
    await until(() => loads.every(({ attempts }, at) => attempts.length > made[at]! + 100), {
      deadlineMs: 20_000,
      describe: "a hundred exchanges of each load",
    });
    expect(loads.flatMap(({ attempts }) => attempts.filter(({ ok }) => !ok)).slice(0, 5)).toEqual(
      [],
    );
  }

  /** What the instructions at the devices are, by the kernel's digest of them. */
  async function attached(): Promise<ReadonlySet<string>> {
    const links = join(stage.agent.pinPath, "links");
    const names = (await readdir(links)).filter((name) => /^sluice_(from|to)_/.test(name));
    return new Set(names.map((name) => tagOf(join(links, name))));
  }

  function tagOf(pin: string): string {
    using link = BpfLink.openPinned(pin);
    using program = BpfProgram.openById(link.info.programId);
    return program.info.tag;
  }

  it("is not missed when it is killed, and comes back unnoticed (PF-04)", async () => {
    await goesOn();
    const before = await attached();
    await stage.agent.kill();
    await goesOn();
    await stage.agent.begin();
    await goesOn();
    expect(await attached()).toEqual(before);
  });

  it("comes back with programs of another build, in place of the old ones (PF-04, PF-05)", async () => {
    const before = await attached();
    const rebuilt = await rebuildAgent(folder);
    await stage.agent.kill();
    await stage.agent.begin(rebuilt);
    await goesOn();
    const after = await attached();
    expect(after.size).toBe(before.size);
    expect([...after].filter((tag) => before.has(tag))).toEqual([]);
  });

  it("has broken off no connection and lost no request (PF-04)", async () => {
    const summaries = await Promise.all(loads.map((load) => load.stop()));
    const requests = summaries.reduce((sum, { attempts }) => sum + attempts, 0);
    const failed = summaries.reduce((sum, each) => sum + each.failed, 0);
    console.log(`B4: ${requests} requests from outside over two restarts, ${failed} failed`);
    expect(failed).toBe(0);
    expect(requests).toBeGreaterThan(5_000);
  });
});
