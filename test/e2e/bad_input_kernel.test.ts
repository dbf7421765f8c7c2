import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { isDatapathError } from "../../agent/datapath/datapath_error.ts";
import { openDatapath } from "../../agent/datapath/open.ts";
import { TestAgent } from "../harness/agent.ts";
import { serviceYaml } from "./bad_input_manifest.ts";
import { BadInputNode } from "./bad_input_node.ts";
import { objectWithoutHelper } from "./bad_input_object.ts";

let bad: BadInputNode;
beforeAll(async () => {
  bad = await BadInputNode.create();
});
afterAll(() => bad?.[Symbol.asyncDispose]());

describe("a kernel without a helper", () => {
  let agent: TestAgent;
  let folder: string;
  const kept: { close(): void }[] = [];

  beforeAll(async () => {
    folder = await bad.folderOf({
      "a.yaml": bad.right("served", "10.96.4.1"),
      "b.yaml": serviceYaml({ name: "empty", clusterIP: "10.96.4.2" }),
    });
    agent = await TestAgent.start({ node: bad.node, source: { folder } });
    await agent.kill();
  });
  afterEach(() => {
    for (const datapath of kept.splice(0)) datapath.close();
  });
  afterAll(() => agent?.[Symbol.asyncDispose]());

  /** The programs that such a kernel would get, in place of those that the agent left at work. */
  async function openWithout(helper: string) {
    const objectPath = await objectWithoutHelper(helper, folder);
    const { pinPath } = agent;
    const datapath = openDatapath({ objectPath, pinPath, cgroupPath: bad.node.cgroup, sizes: {} });
    kept.push(datapath);
    return datapath;
  }

  it("is served without what only that one does, and told which that is (PF-07)", async () => {
    const { features, staleSockets } = await openWithout("bpf_set_retval");
    expect(features.map(({ name, state }) => `${name} ${state}`)).toEqual([
      "refuse-with-econnrefused off",
      "destroy-stale-sockets on",
    ]);
    expect(features[0]?.reason).toBe(
      "needs Linux 5.18: connect() is refused by way of port 0 of the loopback, unconnected UDP gets EPERM; the kernel says: invalid func unknown#9999",
    );
    expect(staleSockets).toBeDefined();
    expect(await Promise.all([bad.ask("10.96.4.1"), bad.ask("10.96.4.2")])).toEqual([
      "web",
      "ECONNREFUSED",
    ]);
  });

  it("keeps its sockets where only the iterator cannot be loaded (PF-07)", async () => {
    const { features, staleSockets } = await openWithout("bpf_seq_write");
    expect(features.map(({ name, state }) => `${name} ${state}`)).toEqual([
      "refuse-with-econnrefused on",
      "destroy-stale-sockets off",
    ]);
    expect(features[1]?.reason).toBe(
      "connected UDP sockets stay with backends that have gone; the kernel says: invalid func unknown#9999",
    );
    expect(staleSockets).toBeUndefined();
    expect(await bad.ask("10.96.4.1")).toBe("web");
  });

  it("is refused where nothing can do without it, and what stood stays at work (PF-07)", async () => {
    const refusal = await openWithout("bpf_sk_storage_get").catch((error: unknown) => error);
    expect(isDatapathError(refusal, "kernel")).toBe(true);
    expect((refusal as Error).message).toMatch(
      /^the kernel does not take the eBPF programs \(Linux 5\.10 or newer is needed\): program\.load sluice_connect\d: EINVAL \(invalid func unknown#9999\)$/,
    );
    expect(await bad.ask("10.96.4.1")).toBe("web");
  });
});
