import { type BpfMap, perCpu, possibleCpus, typedMap } from "libbpf-ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  FlowTcp,
  packetCountCodec,
  packetCountKeyCodec,
  Reason,
  SettingsArray,
} from "../../bpf/build/layout.ts";
import { until } from "../harness/until.ts";
import { FlowEntries, type FlowSpec } from "./flow_entries.ts";
import { tcp } from "./manifests.ts";
import { ServedNode } from "./served_node.ts";

const { TCP_SYN: SYN, TCP_ACK: ACK, TCP_RST: RST } = FlowTcp;
const LOOPBACK = 1;

const flow = (port: number, more: Partial<FlowSpec>): FlowSpec => ({
  protocol: 6,
  client: ["198.51.100.7", port],
  frontend: ["10.96.0.10", 80],
  backend: ["10.244.9.9", 8080],
  masquerade: ["10.0.0.1", port],
  request: SYN | ACK,
  reply: SYN | ACK,
  device: LOOPBACK,
  ...more,
});

describe("an agent ends idle flows and tells of flows and packets", () => {
  let served: ServedNode;
  const maps: BpfMap[] = [];
  const map = (name: string): BpfMap => {
    const opened = served.map(name);
    maps.push(opened);
    return opened;
  };
  beforeAll(async () => {
    served = await ServedNode.start({
      flags: ["--tcp-closed-timeout=1s", "--tcp-opening-timeout=90s", "--max-flows=1000"],
    });
    const endpoint = { pod: await served.backend("one", { tcp: [8080] }) };
    const ports = [tcp(80, 8080)];
    await served.publish({ name: "web", ip4: "10.96.0.10", ports, endpoints: [endpoint] });
  });
  afterAll(async () => {
    for (const opened of maps) opened.close();
    await served?.[Symbol.asyncDispose]();
  });

  const flows = async () => (await served.agent.status()).datapath.flows;
  const scrape = async () => {
    const { stdout } = await served.node.run("curl", ["-sS", "http://127.0.0.1:10249/metrics"]);
    return stdout.split("\n");
  };

  it("by the timeouts that it was given, which the programs know", async () => {
    const { timeoutSeconds, capacity, snatPorts } = await flows();
    expect(timeoutSeconds).toMatchObject({ tcpClosed: 1, tcpOpening: 90 });
    const settings = new SettingsArray(map("settings").mmap());
    expect([settings.tcpClosed(0), settings.tcpOpening(0)]).toEqual([1, 84]);
    expect([settings.snatPortFirst(0), settings.snatPortLast(0)]).toEqual([
      snatPorts.first,
      snatPorts.last,
    ]);
    expect(capacity).toBe(1000);
  });

  it("and counts those that stay and those that went (PF-11)", async () => {
    const entries = new FlowEntries(map("flows"));
    const stays = flow(1, { requestIdle: 5 });
    const goes = flow(2, { reply: RST | ACK, requestIdle: 5 });
    entries.put(stays, goes);
    await until(async () => (await flows()).expired.closed === 1, {
      deadlineMs: 20_000,
      describe: "the closed flow to be ended",
    });
    expect([entries.standing(stays), entries.standing(goes)]).toEqual(["both", "none"]);
    await until(async () => (await flows()).inUse === 1, {
      deadlineMs: 20_000,
      describe: "one flow to be counted",
    });
    const lines = await scrape();
    expect(lines).toContain("sluice_flows 1");
    expect(lines).toContain("sluice_flows_max 1000");
    expect(lines).toContain('sluice_flows_expired_total{state="closed"} 1');
  });

  it("and what became of packets, by name (PF-11)", async () => {
    const counts = typedMap(map("packet_counts"), packetCountKeyCodec, perCpu(packetCountCodec));
    const each = Array.from({ length: possibleCpus() }, () => ({ packets: 2n, bytes: 120n }));
    counts.update({ device: LOOPBACK, reason: Reason.DROPPED_NO_ROUTE }, each);
    const labels = '{device="1",reason="dropped_no_route"}';
    const lines = await scrape();
    expect(lines).toContain(`sluice_packets_total${labels} ${2 * possibleCpus()}`);
    expect(lines).toContain(`sluice_packet_bytes_total${labels} ${120 * possibleCpus()}`);
    const { stdout } = await served.agent.run("status");
    expect(stdout).toMatch(/^dropped no route +1 +\d+ +\d+$/m);
    expect(stdout).toMatch(/^Flows: +1 in use, room for 1000, swept in \d+ ms$/m);
  });

  it("and lists flows whether or not it runs", async () => {
    const list = () => served.agent.run("flow", "list", "--service", "default/web");
    const expected =
      /^TCP +198\.51\.100\.7:1 +10\.96\.0\.10:80 +default\/web:tcp-80 +random +10\.244\.9\.9:8080 +10\.0\.0\.1:1 +established +\d+s +neighbour lo +stack$/m;
    expect((await list()).stdout).toMatch(expected);
    await served.agent.kill();
    expect((await list()).stdout).toMatch(expected);
  });
});
