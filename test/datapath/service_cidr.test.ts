import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";
import { ask } from "./ask.ts";
import { tcp, udp } from "./manifests.ts";
import { serveOnNode } from "./serve_on_node.ts";
import { ServedNode } from "./served_node.ts";
import { Sockets } from "./sockets.ts";

describe("an address of a ServiceCIDR", () => {
  let served: ServedNode;
  let client: TestPod;
  let pod: TestPod;
  let sockets: Sockets;

  beforeAll(async () => {
    served = await ServedNode.start();
    client = await served.node.makePod("client");
    sockets = await Sockets.start(client);
    pod = await served.backend("pod", { tcp: [8080, 8081], udp: [8080] });
    await served.publish({
      name: "web",
      ip4: "10.96.7.1",
      ip6: "fd00:96::7:1",
      ports: [tcp(80, 8080), udp(80, 8080)],
      endpoints: [{ pod }],
    });
    await follow("10.96.7.0/24", "fd00:96::7:0/112");
  });
  afterAll(async () => {
    await sockets?.[Symbol.asyncDispose]();
    await served?.[Symbol.asyncDispose]();
  });

  const file = () => join(served.folder, "service-cidr.yaml");
  const held = async () => {
    const { maps } = (await served.agent.status()).datapath;
    return maps.find(({ name }) => name === "service_cidrs")?.entries;
  };
  const holds = (entries: number) =>
    until(async () => (await held()) === entries, {
      deadlineMs: 10_000,
      describe: () => `${entries} ranges to be programmed; the agent said: ${served.agent.log}`,
    });
  const follow = async (...cidrs: string[]) => {
    await writeFile(
      file(),
      `apiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\nmetadata: {name: kubernetes}\nspec: {cidrs: ${JSON.stringify(cidrs)}}\n`,
    );
    await holds(cidrs.length);
  };
  const unallocated = ["10.96.7.2", "fd00:96::7:2", "::ffff:10.96.7.2"] as const;
  // A test node has no route to it, and says so at once.
  const outside = "fd00:96::8:2";

  for (const address of unallocated) {
    it(`is refused at once at ${address}, where no Service is (KP-31)`, async () => {
      expect(await ask(client, "tcp", address, 80)).toBe("ECONNREFUSED");
      expect(await ask(served.node, "tcp", address, 80)).toBe("ECONNREFUSED");
      expect(await ask(client, "udp", address, 80, { unconnected: true })).toBe("ECONNREFUSED");
    });

    it(`lets UDP connect to ${address}, as getaddrinfo() does (KP-31)`, async () => {
      const socket = await sockets.connected("udp", address, 80);
      await socket.close();
    });
  }

  it("is served where a Service has it, and connections elsewhere are left alone (KP-31)", async () => {
    const reply = { backend: "pod" };
    for (const address of ["10.96.7.1", "fd00:96::7:1"]) {
      expect(await ask(client, "tcp", address, 80)).toMatchObject(reply);
      expect(await ask(client, "udp", address, 80)).toMatchObject(reply);
    }
    for (const address of [pod.ip4, pod.ip6]) {
      expect(await ask(client, "tcp", address, 8081)).toMatchObject(reply);
    }
    expect(await ask(client, "tcp", outside, 80)).toBe("EACCES");
  });

  it("stays refused while the agent is away and when it is back, written by nobody (PF-02)", async () => {
    await served.agent.kill();
    expect(await ask(client, "tcp", "10.96.7.2", 80)).toBe("ECONNREFUSED");
    await served.agent.begin();
    await holds(2);
    expect((await served.agent.status()).sync.writes).toMatchObject({ serviceCidrs: 0 });
    expect(await ask(client, "tcp", "fd00:96::7:2", 80)).toBe("ECONNREFUSED");
  });

  it("is never one of the node's own (PF-30)", async () => {
    await served.node.run("ip", ["address", "add", "10.96.7.9/32", "dev", "lo"]);
    await using _server = await serveOnNode(served.node, "on-node", { tcp: [9080] });
    await until(
      async () => typeof (await ask(served.node, "tcp", "10.96.7.9", 9080)) !== "string",
      {
        deadlineMs: 10_000,
        describe: "the node's own address to be reached",
      },
    );
  });

  it("follows the ranges as they change, and is a stranger's once they are gone (KP-31)", async () => {
    await follow("10.96.8.0/24", "fd00:96::8:0/112", "10.99.0.0/16");
    for (const address of [outside, "10.96.8.2", "10.99.255.255"]) {
      expect(await ask(client, "tcp", address, 80)).toBe("ECONNREFUSED");
    }
    expect(await ask(client, "tcp", "fd00:96::7:2", 80)).toBe("EACCES");
    await rm(file());
    await holds(0);
    expect(await ask(client, "tcp", outside, 80)).toBe("EACCES");
  });
});
