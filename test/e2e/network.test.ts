import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytes, sha256 } from "../harness/bytes.ts";
import { cgroupProcesses } from "../harness/cgroup.ts";
import { finish, start } from "../harness/child.ts";
import type { TestClient } from "../harness/client.ts";
import { findMade, ownPrefix, sweep } from "../harness/leftovers.ts";
import { attempt, monotonicNs, startLoad } from "../harness/load.ts";
import { forgetPaths, pathMtu } from "../harness/netns.ts";
import { Network } from "../harness/network.ts";
import type { TestNode } from "../harness/node.ts";
import type { TestPod } from "../harness/pod.ts";
import { authorityOf, download, serveHttp, upload } from "../harness/transfer.ts";
import { until } from "../harness/until.ts";

const own = (name: string) => name.startsWith(ownPrefix);

describe("pods on two nodes", () => {
  let network: Network;
  let a: TestNode;
  let b: TestNode;
  let client: TestPod;
  let near: TestPod;
  let far: TestPod;

  beforeAll(async () => {
    network = await Network.create();
    a = await network.makeNode("a");
    b = await network.makeNode("b");
    client = await a.makePod("client");
    near = await a.makePod("near");
    far = await b.makePod("far");
    await near.serve({ tcp: [8080], udp: [8080] });
    await far.serve({ tcp: [8080], udp: [8080] });
  });
  afterAll(() => network?.[Symbol.asyncDispose]());

  for (const protocol of ["tcp", "udp"] as const) {
    it(`reach each other by pod address over ${protocol}, both families, both nodes`, async () => {
      const reached = [];
      for (const address of [near.ip4, near.ip6, far.ip4, far.ip6]) {
        reached.push(...(await attempt(client, { protocol, address, port: 8080 })));
      }
      expect(reached).toMatchObject([
        { ok: true, backend: "near", client: "10.244.1.2", peer: "10.244.1.3:8080" },
        { ok: true, backend: "near", client: "fd00:10:244:1::2", peer: "[fd00:10:244:1::3]:8080" },
        { ok: true, backend: "far", client: "10.244.1.2", peer: "10.244.2.2:8080" },
        { ok: true, backend: "far", client: "fd00:10:244:1::2", peer: "[fd00:10:244:2::2]:8080" },
      ]);
    });
  }

  it("reach a pod of another node from a node's own network", async () => {
    const [outcome] = await attempt(b, { protocol: "tcp", address: near.ip4, port: 8080 });
    expect(outcome).toMatchObject({ ok: true, backend: "near", client: "172.30.0.2" });
  });

  it("use an IPv6 socket for an IPv4-mapped address", async () => {
    const address = `::ffff:${far.ip4}`;
    const [outcome] = await attempt(client, { protocol: "tcp", address, port: 8080 });
    expect(outcome).toMatchObject({ ok: true, backend: "far", peer: "[::ffff:10.244.2.2]:8080" });
  });

  it("tell a refused port and an unserved address by their errno", async () => {
    const options = { timeoutMs: 20_000 };
    const outcomes = [
      ...(await attempt(client, { protocol: "tcp", address: far.ip4, port: 81 }, options)),
      ...(await attempt(client, { protocol: "tcp", address: "10.96.0.10", port: 80 }, options)),
      ...(await attempt(client, { protocol: "udp", address: "fd00:96::10", port: 80 }, options)),
    ];
    expect(outcomes).toMatchObject([
      { ok: false, errno: "ECONNREFUSED", phase: "connect" },
      { ok: false, errno: "EHOSTUNREACH", phase: "connect" },
      { ok: false, errno: "EACCES", phase: "answer" },
    ]);
  });

  it("have their processes in a cgroup below their node's", async () => {
    const server = await client.serve({ tcp: [9000] });
    const pids = await cgroupProcesses(client.cgroup);
    await server.stop("SIGKILL");
    expect(pids).toEqual([server.pid]);
    expect(client.cgroup.startsWith(`${a.cgroup}/`)).toBe(true);
  });

  it("report the client of each connection when asked to", async () => {
    await using pod = await b.makePod("logging");
    const server = await pod.serve({ tcp: [80] }, { log: true });
    await attempt(client, { protocol: "tcp", address: pod.ip6, port: 80 });
    await server.printed('"client":"fd00:10:244:1::2"');
    expect(JSON.parse(server.lines[1] ?? "")).toMatchObject({ protocol: "TCP", port: 80 });
  });

  it("count each attempt of a load and see the moment its server ends", async () => {
    const pod = await b.makePod("short-lived");
    await pod.serve({ tcp: [80] });
    const load = await startLoad(
      client,
      { protocol: "tcp", address: pod.ip4, port: 80 },
      { gapUs: 500, timeoutMs: 50 },
    );
    await until(() => load.attempts.length > 20, {
      deadlineMs: 10_000,
      describe: "twenty attempts",
    });
    await pod[Symbol.asyncDispose]();
    const gone = monotonicNs();
    await until(() => load.attempts.some((each) => !each.ok), {
      deadlineMs: 10_000,
      describe: "a failed attempt",
    });
    const summary = await load.stop();
    expect(summary.attempts).toBe(load.attempts.length);
    expect(summary.failed).toBeGreaterThan(0);
    expect(summary.backends["short-lived"]?.count).toBe(summary.ok);
    expect(summary.backends["short-lived"]?.lastAt).toBeLessThan(gone);
  });

  it("keep one socket for a whole load when asked to", async () => {
    for (const protocol of ["tcp", "udp"] as const) {
      const to = { protocol, address: far.ip4, port: 8080 };
      const attempts = await attempt(client, to, { count: 10, keep: true });
      const ports = new Set(attempts.map((each) => each.ok && each.clientPort));
      expect(attempts).toHaveLength(10);
      expect(ports.size).toBe(1);
    }
  });
});

describe("a client outside", () => {
  let network: Network;
  let a: TestNode;
  let client: TestClient;
  let narrow: TestClient;

  beforeAll(async () => {
    network = await Network.create();
    a = await network.makeNode("a", { podLink: "routes" });
    client = await network.makeClient("client");
    narrow = await network.makeClient("narrow", { narrow: true });
  });
  afterAll(() => network?.[Symbol.asyncDispose]());

  it("is seen by a pod with its own address, whatever joins the pod to its node", async () => {
    const b = await network.makeNode("b", { podLink: "bridge" });
    const seen = [];
    for (const node of [a, b]) {
      const pod = await node.makePod("web");
      await pod.serve({ tcp: [80] });
      for (const address of [pod.ip4, pod.ip6]) {
        seen.push(...(await attempt(client, { protocol: "tcp", address, port: 80 })));
      }
    }
    expect(seen).toMatchObject([
      { ok: true, client: "192.168.1.2" },
      { ok: true, client: "fd00:192:168:1::2" },
      { ok: true, client: "192.168.1.2" },
      { ok: true, client: "fd00:192:168:1::2" },
    ]);
  });

  it("reaches no pod in an overlay, but nodes and their pods do, by its address", async () => {
    const c = await network.makeNode("c", { reach: "overlay" });
    const pod = await c.makePod("web");
    await pod.serve({ tcp: [80] });
    const local = await a.makePod("local");
    const seen = [];
    for (const address of [pod.ip4, pod.ip6]) {
      const to = { protocol: "tcp", address, port: 80 } as const;
      for (const from of [a, local, client]) {
        seen.push(...(await attempt(from, to, { timeoutMs: 20_000 })));
      }
    }
    expect(seen).toMatchObject([
      { ok: true, client: "10.244.1.0" },
      { ok: true, client: local.ip4 },
      { ok: false, errno: "EHOSTUNREACH" },
      { ok: true, client: "fd00:10:244:1::" },
      { ok: true, client: local.ip6 },
      { ok: false, errno: "EACCES" },
    ]);
  });

  it("gets all bytes through narrow links before it and behind, both ways", async () => {
    const d = await network.makeNode("d", { reach: "narrow" });
    const near = await a.makePod("near");
    const far = await d.makePod("far");
    const length = 2_000_000;
    const expected = await sha256(bytes(length));
    for (const pod of [near, far]) await serveHttp(pod, 80);
    for (const [from, pod] of [
      [narrow, near],
      [client, far],
    ] as const) {
      for (const family of ["ip4", "ip6"] as const) {
        const authority = authorityOf(pod[family], 80);
        // What one end learns it tells the other, which then has nothing left to learn.
        for (const end of [from, pod]) await forgetPaths(end.netns);
        expect(await upload(from, authority, length)).toBe(expected);
        expect(await pathMtu(from.netns, pod[family])).toBe(1280);
        for (const end of [from, pod]) await forgetPaths(end.netns);
        expect(await download(from, authority, length)).toBe(expected);
        expect(await pathMtu(pod.netns, from[family])).toBe(1280);
      }
    }
  });
});

describe("what a network leaves", () => {
  it("is nothing: no namespace, no cgroup, no process", async () => {
    const network = await Network.create();
    const node = await network.makeNode("a");
    const pod = await node.makePod("web");
    const server = await pod.serve({ tcp: [80] });
    expect(await findMade(own)).toHaveLength(4);
    await network[Symbol.asyncDispose]();
    expect(await findMade(own)).toEqual([]);
    expect(server.exit).toEqual({ code: null, signal: "SIGKILL" });
  });

  it("is removed by the next network after a crash, and its processes end at once", async () => {
    const harness = `${import.meta.dirname}/../harness`;
    const crashing = `
      const { Network } = await import("${harness}/network.ts");
      const { findMade, ownPrefix } = await import("${harness}/leftovers.ts");
      const node = await (await Network.create()).makeNode("a");
      const server = await (await node.makePod("web")).serve({ tcp: [80] });
      const made = await findMade((name) => name.startsWith(ownPrefix));
      console.log(JSON.stringify({ pid: process.pid, server: server.pid, made }));
      process.kill(process.pid, "SIGKILL");`;
    const run = await finish(start(process.execPath, ["--input-type=module", "-e", crashing]));
    const crashed = JSON.parse(run.stdout) as { pid: number; server: number; made: string[] };
    expect(run.signal).toBe("SIGKILL");
    expect(crashed.made).toHaveLength(4);
    await until(async () => !(await readdir("/proc")).includes(`${crashed.server}`), {
      deadlineMs: 5_000,
      describe: "the crashed run's server to end with it",
    });
    await sweep();
    expect(await findMade((name) => name.startsWith(`sluice-t-${crashed.pid}-`))).toEqual([]);
  });
});
