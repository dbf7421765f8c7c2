import { unlinkSync } from "node:fs";
import { join } from "node:path";
import { BpfLink, type LoadedObject } from "libbpf-ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask } from "../datapath/ask.ts";
import { loadForeign } from "../datapath/foreign.ts";
import { ServedNode } from "../datapath/served_node.ts";
import { type AgentHost, TestAgent } from "../harness/agent.ts";
import { cgroupRoot, makeCgroup, removeCgroup } from "../harness/cgroup.ts";
import type { TestClient } from "../harness/client.ts";
import { ownPrefix } from "../harness/leftovers.ts";
import type { Site } from "../harness/load.ts";
import { startIn } from "../harness/place.ts";
import type { TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";
import { barMs, type Health, healthOf, metric } from "./health.ts";

const cluster4 = "10.96.0.10";
const cluster6 = "fd00:96::a";

let served: ServedNode;
let client: TestPod;
let outside: TestClient;

beforeAll(async () => {
  served = await ServedNode.start();
  const backend = await served.backend("backend", { tcp: [8080], udp: [8080] });
  client = await served.node.makePod("client");
  outside = await served.network.makeClient("outside");
  await served.publish({
    name: "web",
    ip4: cluster4,
    ip6: cluster6,
    ports: [
      { name: "tcp", protocol: "TCP", port: 80, targetPort: 8080, nodePort: 30_080 },
      { name: "udp", protocol: "UDP", port: 80, targetPort: 8080 },
    ],
    endpoints: [{ pod: backend }],
  });
  await turnsHealthy();
});
afterAll(async () => await served?.[Symbol.asyncDispose]());

const reattached = (program: string, device = "") =>
  metric(served.node, `sluice_programs_reattached_total{program="${program}",device="${device}"}`);

/** Within the 10 s that an operator may expect; nothing that a restart would mend yet. */
async function turnsFailed(reason: RegExp): Promise<void> {
  let last: Health | undefined;
  await until(
    async () => {
      last = await healthOf(served.node);
      return last.healthz === 503 && reason.test(last.failing.probe ?? "");
    },
    {
      deadlineMs: barMs,
      describe: () => `${reason} of a failed probe, not ${JSON.stringify(last)}`,
    },
  );
  expect(last?.livez).toBe(200);
}

async function turnsHealthy(): Promise<void> {
  let last: Health | undefined;
  await until(
    async () => {
      last = await healthOf(served.node);
      return last.healthz === 200 && last.readyz === 200;
    },
    { deadlineMs: 20_000, describe: () => `all to be well, not ${JSON.stringify(last)}` },
  );
}

/** Every way of a connection that a program of the cgroup has a part in. */
async function expectTranslated(): Promise<void> {
  const reached = { backend: "backend" };
  for (const [address, peer] of [
    [cluster4, `${cluster4}:80`],
    [cluster6, `[${cluster6}]:80`],
  ] as const) {
    expect(await ask(client, "tcp", address, 80)).toMatchObject({ ...reached, peer });
    expect(await ask(client, "udp", address, 80)).toMatchObject({ ...reached, peer });
    const unconnected = { unconnected: true };
    expect(await ask(client, "udp", address, 80, unconnected)).toMatchObject({ ...reached, peer });
  }
}

const linkOf = (program: string) => join(served.agent.pinPath, "links", program);

function detach(program: string): void {
  using link = BpfLink.openPinned(linkOf(program));
  link.detach();
}

describe("an agent that makes connections to itself", () => {
  it("sees them translated in both families, and shows them to nobody else (PF-06)", async () => {
    const { probe, datapath, sync } = await served.agent.status();
    expect(probe).toMatchObject({ state: "ok", reason: null });
    expect(probe.families).toEqual([
      { family: "IPv4", success: true },
      { family: "IPv6", success: true },
    ]);
    expect(datapath.features.find(({ name }) => name === "probe")?.state).toBe("on");
    expect(sync).toMatchObject({ services: 4, frontends: 6, backends: 4 });
    expect((await served.agent.services()).map(({ name }) => name)).toEqual(Array(4).fill("web"));
    expect(await metric(served.node, 'sluice_probe_success{family="IPv4"}')).toBe(1);
    expect(await metric(served.node, 'sluice_probe_success{family="IPv6"}')).toBe(1);
  });

  it("lends its address to nobody else: a pod is not led to its own loopback (PF-06)", async () => {
    for (const address of ["192.0.0.8", "100::8"]) {
      for (const unconnected of [false, true]) {
        const outcome = await ask(client, "udp", address, 7, { unconnected, timeoutMs: 300 });
        expect(outcome, address).toBeTypeOf("string");
      }
    }
  });
});

describe("a program that somebody detaches", () => {
  it("turns health red and is attached again, whichever it is (PF-06)", async () => {
    for (const programs of [
      ["sluice_connect4", "sluice_connect6"],
      ["sluice_sendmsg4", "sluice_sendmsg6"],
      ["sluice_recvmsg4", "sluice_recvmsg6"],
      ["sluice_getpeername4", "sluice_getpeername6"],
      ["sluice_sock_release"],
    ]) {
      const failures = await metric(served.node, "sluice_probe_failures_total");
      for (const program of programs) detach(program);
      await turnsFailed(new RegExp(`(${programs.join("|")}) is not attached: it was detached`));
      for (const program of programs) {
        await until(async () => (await reattached(program)) === 1, {
          deadlineMs: 10_000,
          describe: `${program} to be attached again`,
        });
      }
      expect(await metric(served.node, "sluice_probe_failures_total")).toBeGreaterThan(failures);
    }
    await turnsHealthy();
    await expectTranslated();
  });

  it("is named by /healthz, beside kube-proxy's fields (KP-41, PF-06)", async () => {
    detach("sluice_connect4");
    const said = await until(
      async () => {
        const { stdout } = await served.node.run("curl", ["-s", "http://127.0.0.1:10256/healthz"]);
        const body = JSON.parse(stdout);
        return body.healthy === false && body;
      },
      { deadlineMs: barMs, describe: "/healthz to be unhealthy" },
    );
    expect(said).toEqual({
      lastUpdated: expect.any(String),
      currentTime: expect.any(String),
      nodeEligible: true,
      healthy: false,
      status: expect.objectContaining({ IPv4: expect.objectContaining({ healthy: true }) }),
      reason: "sluice_connect4 is not attached: it was detached, or its cgroup is gone",
    });
  });

  it("is attached again where all are gone, pins and devices included (PF-05, PF-06)", async () => {
    const { datapath } = await served.agent.status();
    const uplink = datapath.devices.find(({ name }) => name === "eth0");
    expect(uplink?.hook).toBe("tcx");
    detach(`sluice_from_outside-${uplink?.index}`);
    expect(datapath.programs).toHaveLength(9);
    for (const { name } of datapath.programs) {
      detach(name);
      unlinkSync(linkOf(name));
    }
    await turnsFailed(/is not attached: its link is not pinned/);
    await turnsFailed(/eth0 has lost sluice_from_outside/);
    expect(await reattached("sluice_from_outside", "eth0")).toBe(1);
    await turnsHealthy();
    await expectTranslated();
    expect(await ask(outside, "tcp", served.node.ip4, 30_080)).toMatchObject({
      backend: "backend",
    });
  });
});

describe("a program of somebody else in the place of ours", () => {
  let foreign: LoadedObject;
  beforeAll(async () => {
    foreign = await loadForeign();
  });
  afterAll(() => foreign?.close());

  const replace = (hook: string) => {
    using link = BpfLink.openPinned(linkOf(`sluice_${hook}`));
    link.update(foreign.program(`foreign_${hook}`));
  };

  it.each([
    [
      4,
      ["connect4", "sendmsg4"],
      /^IPv4: sluice_connect4 does not translate: EINVAL, sluice_sendmsg4 does not translate: EINVAL$/,
    ],
    [
      4,
      ["getpeername4", "recvmsg4"],
      /^IPv4: sluice_getpeername4 shows 127.0.0.1:\d+, sluice_recvmsg4 shows 127.0.0.1:\d+$/,
    ],
    [6, ["connect6"], /^IPv6: sluice_connect6 does not translate: /],
  ] as const)(
    "is seen by connections of IPv%i at %s, and put out (PF-06)",
    async (family, hooks, reason) => {
      const counts = () => Promise.all(hooks.map((hook) => reattached(`sluice_${hook}`)));
      const before = await counts();
      for (const hook of hooks) replace(hook);
      await turnsFailed(reason);
      expect(await metric(served.node, `sluice_probe_success{family="IPv${family}"}`)).toBe(0);
      expect(await metric(served.node, `sluice_probe_success{family="IPv${10 - family}"}`)).toBe(1);
      await turnsHealthy();
      expect(await metric(served.node, `sluice_probe_success{family="IPv${family}"}`)).toBe(1);
      expect(await counts()).toEqual(before.map((count) => count + 1));
    },
  );
});

describe("an agent outside of the cgroup that it serves", () => {
  it("looks at the links alone, and follows the cgroup when that is made anew (PF-06)", async () => {
    const cgroup = await makeCgroup(join(await cgroupRoot(), `${ownPrefix}renewed`));
    const node = await served.network.makeNode("apart");
    const host: AgentHost = {
      name: node.name,
      cgroup,
      start: (command, args, options) => node.start(command, args, { ...options, cgroup: false }),
      run: (command, args, options) => node.run(command, args, { ...options, cgroup: false }),
    };
    await using agent = await TestAgent.start({ node: host, source: { folder: served.folder } });
    const probe = async () => (await agent.status()).probe;
    const turns = (state: string) =>
      until(async () => (await probe()).state === state, {
        deadlineMs: 10_000,
        describe: `the probe to be ${state}`,
      });
    await turns("off");
    const { features } = (await agent.status()).datapath;
    expect(features.find(({ name }) => name === "probe")).toEqual({
      name: "probe",
      state: "off",
      reason: `probe off: the agent is outside of ${cgroup}, so that its own connections are not translated`,
    });
    const inside: Site = {
      start: (command, args) => startIn({ cgroup, netns: node.netns }, command, args),
    };
    const reaches = async () =>
      expect(await ask(inside, "tcp", cluster4, 80)).toMatchObject({ backend: "backend" });
    await reaches();

    await removeCgroup(cgroup);
    await makeCgroup(cgroup);
    await turns("failed");
    await turns("off");
    await reaches();
    await agent[Symbol.asyncDispose]();
    await removeCgroup(cgroup);
  });
});
