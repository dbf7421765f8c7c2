import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listFlows } from "../../agent/datapath/flow_list.ts";
import type { FlowReport } from "../../agent/datapath/flow_report.ts";
import { withPinned } from "../../agent/datapath/pinned.ts";
import { exposed, NorthSouth } from "../e2e/north_south.ts";
import { attempt, type Success } from "../harness/load.ts";
import { until } from "../harness/until.ts";

describe("flows of real packets", () => {
  let stage: NorthSouth;
  let connection: Success;
  let exchange: Success;
  let flows: readonly FlowReport[];

  const ask = async (protocol: "tcp" | "udp", address: string, port: number): Promise<Success> => {
    const [outcome] = await attempt(stage.client, { protocol, address, port });
    if (outcome?.ok !== true) throw new Error(`no answer: ${JSON.stringify(outcome)}`);
    return outcome;
  };
  const list = () =>
    withPinned(stage.agent.pinPath, (map) => listFlows(map, { limit: 10 }, () => undefined)).flows;
  const flowOf = (protocol: "TCP" | "UDP") => flows.find((flow) => flow.protocol === protocol);

  beforeAll(async () => {
    const timeouts = ["--tcp-closed-timeout=3s", "--udp-stream-timeout=3s", "--udp-timeout=3s"];
    stage = await NorthSouth.start({ flags: timeouts });
    const { a } = stage.nodes;
    const near = await stage.pod(a, "near");
    const far = await stage.pod(stage.nodes.b, "far");
    await stage.publish(exposed("near", 1, { endpoints: [{ pod: near, nodeName: "a" }] }));
    await stage.publish(exposed("far", 2, { endpoints: [{ pod: far, nodeName: "b" }] }));
    connection = await ask("tcp", a.ip4, 30_002);
    exchange = await ask("udp", a.ip6, 30_001);
    flows = list();
  });
  afterAll(() => stage?.[Symbol.asyncDispose]());

  it("say of a connection to a backend elsewhere as whom the backend sees the client", () => {
    expect(connection.backend).toBe("far");
    expect(flowOf("TCP")).toMatchObject({
      client: { address: stage.client.ip4 },
      frontend: { address: stage.nodes.a.ip4, port: 30_002 },
      backend: { port: 8080 },
      masquerade: { address: connection.client, port: connection.clientPort },
      service: { namespace: "default", name: "far", portName: "tcp" },
    });
  });

  it("say of an exchange of datagrams with a backend here that it sees the client itself", () => {
    expect(exchange).toMatchObject({ backend: "near", client: stage.client.ip6 });
    expect(flowOf("UDP")).toMatchObject({
      client: { address: stage.client.ip6, port: exchange.clientPort },
      frontend: { address: stage.nodes.a.ip6, port: 30_001 },
      masquerade: null,
      service: { namespace: "default", name: "near", portName: "udp" },
      state: "stream",
    });
  });

  it("end once they have been idle for as long as was set (PF-10)", async () => {
    const expired = async () => (await stage.agent.status()).datapath.flows.expired;
    const sumOf = (counts: Awaited<ReturnType<typeof expired>>) =>
      Object.values(counts).reduce((sum, count) => sum + count, 0);
    await until(async () => sumOf(await expired()) === 2, {
      deadlineMs: 30_000,
      describe: "both flows to be forgotten",
    });
    expect(await expired()).toMatchObject({ closed: 1, stream: 1 });
    expect(list()).toEqual([]);
  });

  it("are counted for their Service, and by what became of their packets (PF-11)", async () => {
    const { packets, devices } = (await stage.agent.status()).datapath;
    const begun = packets.filter(({ reason }) => reason === "new_flow");
    expect(begun.reduce((sum, each) => sum + each.packets, 0)).toBe(2);
    expect(devices.map(({ name }) => name)).toContain(begun[0]?.device);
    const ports = (await stage.agent.services()).filter(({ name }) => name === "far");
    const tcp = ports.find((port) => port.portName === "tcp" && port.family === "IPv4");
    const atLeast = (least: number) => expect.toSatisfy((count: number) => count >= least);
    // SYN, ACK and a request; SYN with ACK, and an answer.
    expect(tcp?.stats).toMatchObject({
      connections: 1,
      requestPackets: atLeast(3),
      requestBytes: atLeast(3 * 40),
      replyPackets: atLeast(2),
      replyBytes: atLeast(2 * 40),
    });
  });
});
