import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { AgentEvent } from "../../agent/events/event.ts";
import { ForeignProxies } from "../../agent/foreign_proxies.ts";
import { createLog, silentLog } from "../../agent/log.ts";
import { findIpvs, type ServiceProxy } from "../../agent/network/service_proxies.ts";
import { closeServer, listen } from "../../agent/serve/listener.ts";
import { until } from "../harness/until.ts";

const closing: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function watch(find: () => Promise<readonly ServiceProxy[]>, patienceMs = 0) {
  const events: AgentEvent[] = [];
  const lines: string[] = [];
  const log = createLog({
    level: "warn",
    format: "json",
    output: { write: (text) => lines.push(JSON.parse(text).message) },
  });
  const record = (event: AgentEvent) => events.push(event);
  const proxies = new ForeignProxies({ nodeName: "node-a", log, record, find, patienceMs });
  closing.push(() => proxies.close());
  return { proxies, events, lines };
}

const table = { rules: "nftables", what: "table ip kube-proxy of nftables" } as const;

describe("another service proxy", () => {
  it("is told of once by an event on the Node and in the log, and shown while it is there (PF-41)", async () => {
    let found: readonly ServiceProxy[] = [table];
    const { proxies, events, lines } = watch(async () => found);
    await proxies.look();
    await proxies.look();
    expect(proxies.found).toEqual([{ evidence: "nftables", what: table.what }]);
    expect(lines).toEqual(["another service proxy: table ip kube-proxy of nftables"]);
    expect(events).toEqual([
      {
        regarding: { apiVersion: "v1", kind: "Node", namespace: "", name: "node-a" },
        reason: "SecondServiceProxyFound",
        action: "CheckNode",
        note: 'sluice is not alone: table ip kube-proxy of nftables. Remove the other proxy and what it has left ("kube-proxy --cleanup"); sluice works on',
      },
    ]);
    found = [];
    await proxies.look();
    expect(proxies.found).toEqual([]);
    found = [table];
    await proxies.look();
    expect(events.length).toBe(2);
  });

  it("is told of by a port that it has, with kube-proxy's own reason, until it gives it up (PF-41)", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const address = { host: "127.0.0.1", port };
    const handler = () => {};
    const listener = listen({ name: "health", address, handler, log: silentLog, retryMs: 10 });
    closing.push(() => listener.close());
    const { proxies, events } = watch(async () => []);
    proxies.watchPort("healthz_port", listener);
    const seen = async (count: number) =>
      until(async () => proxies.look().then(() => proxies.found.length === count), {
        deadlineMs: 5_000,
        describe: `${count} signs`,
      });
    await seen(1);
    expect(proxies.found).toEqual([
      { evidence: "healthz_port", what: `another process at 127.0.0.1:${port}` },
    ]);
    expect(events.map(({ reason }) => reason)).toEqual(["FailedToStartProxierHealthcheck"]);
    await closeServer(other);
    await seen(0);
    expect(events.length).toBe(1);
  });

  it("is not seen in a port that has been taken for a moment only, as by the agent before (PF-41)", async () => {
    const { proxies, events } = watch(async () => [], 60_000);
    const listener = { address: ":10249", takenSince: () => Date.now() - 59_000 };
    proxies.watchPort("metrics_port", {
      ...listener,
      bound: new Promise<never>(() => {}),
      close: async () => {},
    });
    await proxies.look();
    expect([proxies.found, events]).toEqual([[], []]);
  });

  it("leaves the agent alone where it cannot be looked for", async () => {
    const { proxies, lines } = watch(async () => Promise.reject(new Error("EPERM")));
    await proxies.look();
    expect([proxies.found, lines]).toEqual([[], []]);
  });

  it("in IPVS mode is known by its device (KP-81, PF-41)", () => {
    const devices = "Inter-|   Receive\n face |bytes\n    lo: 1 2\nkube-ipvs0: 0 0\n";
    expect(findIpvs(devices)).toEqual([{ rules: "ipvs", what: "device kube-ipvs0 of IPVS" }]);
    expect(findIpvs("  eth0: 1 2\n")).toEqual([]);
  });
});
