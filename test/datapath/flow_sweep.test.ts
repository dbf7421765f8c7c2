import { beforeEach, describe, expect, it } from "vitest";
import { type FlowSweep, sweepFlows } from "../../agent/datapath/flow_sweep.ts";
import { FlowTcp } from "../../bpf/build/layout.ts";
import { entriesOf, type FlowSpec } from "./flow_entries.ts";
import { FlowTable } from "./flow_table.ts";

const { TCP_SYN: SYN, TCP_ACK: ACK, TCP_FIN: FIN, TCP_RST: RST } = FlowTcp;
const TCP = 6;
const UDP = 17;

const flow = (more: Partial<FlowSpec>): FlowSpec => ({
  protocol: TCP,
  client: ["198.51.100.7", 40_001],
  frontend: ["192.0.2.1", 30_080],
  backend: ["10.244.1.5", 8080],
  masquerade: ["10.0.0.1", 61_001],
  ...more,
});

const ended = (more: Partial<FlowSweep["expired"]>): FlowSweep["expired"] => ({
  opening: 0,
  established: 0,
  closing: 0,
  closed: 0,
  unreplied: 0,
  stream: 0,
  ...more,
});

let table: FlowTable;
beforeEach(() => {
  table = FlowTable.open();
  const { settings } = table;
  settings.setTcpOpening(0, 60);
  settings.setTcpEstablished(0, 1000);
  settings.setTcpClosing(0, 80);
  settings.setTcpClosed(0, 20);
  settings.setUdp(0, 30);
  settings.setUdpStream(0, 100);
});

const states = [
  ["opening", TCP, SYN, 0, 60],
  ["opening", TCP, SYN | ACK, 0, 60],
  ["established", TCP, SYN | ACK, SYN | ACK, 1000],
  ["closing", TCP, SYN | ACK | FIN, SYN | ACK, 80],
  ["closing", TCP, SYN | ACK, SYN | ACK | FIN, 80],
  ["closed", TCP, SYN | ACK | FIN, SYN | ACK | FIN, 20],
  ["closed", TCP, SYN | ACK | RST, SYN | ACK, 20],
  ["closed", TCP, SYN, RST | ACK, 20],
  ["unreplied", UDP, 0, 0, 30],
  ["stream", UDP, 0, ACK, 100],
] as const;

describe("a flow is kept for as long as the timeout of its state, and no longer (PF-10)", () => {
  for (const [state, protocol, request, reply, ticks] of states) {
    it(`${state}: flags ${request} and ${reply} for ${ticks} ticks`, async () => {
      const spec = { protocol, request, reply };
      table.put(flow({ ...spec, requestIdle: ticks - 10 }));
      expect(await sweepFlows(table.iterator)).toEqual({
        requests: 1,
        replies: 1,
        expired: ended({}),
      });
      expect(table.standing(flow({}))).toBe(protocol === TCP ? "both" : "none");
      expect(table.standing(flow({ protocol }))).toBe("both");
      table.put(flow({ ...spec, requestIdle: ticks + 2 }));
      const { expired } = await sweepFlows(table.iterator);
      expect(expired).toEqual(ended({ [state]: 1 }));
      expect(table.size).toBe(0);
    });
  }
});

describe("the later of both directions says when the last packet came", () => {
  for (const [name, idle] of [
    ["the request", { requestIdle: 10, replyIdle: 500 }],
    ["the reply", { requestIdle: 500, replyIdle: 10 }],
  ] as const) {
    it(name, async () => {
      const closing = flow({ request: SYN | ACK | FIN, reply: SYN | ACK, ...idle });
      table.put(closing);
      const { expired } = await sweepFlows(table.iterator);
      expect(expired).toEqual(ended({}));
      expect(table.standing(closing)).toBe("both");
    });
  }
});

it("a packet that comes while the sweep runs keeps its flow: the clock may be behind it", async () => {
  table.put(flow({ requestIdle: -3 }));
  const { expired } = await sweepFlows(table.iterator);
  expect(expired).toEqual(ended({}));
  expect(table.size).toBe(2);
});

describe("of a flow that has lost a direction to eviction (PF-28)", () => {
  const established = { request: SYN | ACK, reply: SYN | ACK };
  const half = (which: 0 | 1, spec: FlowSpec) => table.putEntries([entriesOf(spec)[which]]);

  for (const which of [0, 1] as const) {
    const name = ["the request", "the reply"][which];

    it(`${name} stays for as long as the whole would`, async () => {
      half(which, flow({ ...established, requestIdle: 900 }));
      const { expired } = await sweepFlows(table.iterator);
      expect(expired).toEqual(ended({}));
      expect(table.size).toBe(1);
    });

    it(`${name} goes then`, async () => {
      half(which, flow({ ...established, requestIdle: 1100 }));
      const { expired } = await sweepFlows(table.iterator);
      expect(expired).toEqual(ended({ established: 1 }));
      expect(table.size).toBe(0);
    });
  }

  it("the request goes early once another flow has its ports, which stays whole (PF-28)", async () => {
    const older = flow({ ...established, requestIdle: 100 });
    const newer = flow({ ...established, client: ["198.51.100.8", 40_002] });
    half(0, older);
    table.put(newer);
    const { expired } = await sweepFlows(table.iterator);
    expect(expired).toEqual(ended({ established: 1 }));
    expect(table.standing(newer)).toBe("both");
    expect(table.size).toBe(2);
  });

  it("the reply goes early once its request leads to another backend", async () => {
    const older = flow({ ...established, requestIdle: 100 });
    const newer = flow({ ...established, backend: ["10.244.1.6", 8080] });
    half(1, older);
    table.put(newer);
    await sweepFlows(table.iterator);
    expect(table.standing(newer)).toBe("both");
    expect(table.size).toBe(2);
  });
});

it("IPv6, local backends and flows from pods end alike", async () => {
  const others = [
    flow({
      client: ["2001:db8::7", 40_001],
      frontend: ["2001:db8:1::1", 443],
      backend: ["fd00:10:244::5", 8443],
      masquerade: ["fd00::1", 61_001],
    }),
    { ...flow({ client: ["198.51.100.9", 40_003] }), masquerade: ["198.51.100.9", 40_003] },
    flow({ client: ["10.244.0.9", 40_004], frontend: ["10.96.0.10", 53], protocol: UDP }),
  ] as const;
  table.put(...others.map((spec) => ({ ...spec, requestIdle: 500 })));
  expect(await sweepFlows(table.iterator)).toMatchObject({
    expired: ended({ opening: 2, unreplied: 1 }),
  });
  expect(table.size).toBe(0);
});

it("a flood of SYNs evicts its own flows, not idle connections that sweeps have marked", async () => {
  const small = FlowTable.open(4096);
  small.settings.setTcpOpening(0, 1_000);
  small.settings.setTcpEstablished(0, 100_000);
  small.settings.setTcpClosing(0, 100);
  small.settings.setTcpClosed(0, 20);
  const idle = Array.from({ length: 500 }, (_, n) =>
    flow({
      client: ["198.51.100.7", n],
      masquerade: ["10.0.0.1", n],
      request: SYN | ACK,
      reply: SYN | ACK,
      requestIdle: 3_000,
    }),
  );
  small.put(...idle);
  for (let round = 0; round < 10; round++) {
    await sweepFlows(small.iterator);
    const syns = Array.from({ length: 1_000 }, (_, n) =>
      flow({
        client: ["203.0.113.1", n],
        frontend: ["192.0.2.1", round],
        backend: ["10.244.1.6", round],
        masquerade: ["10.0.0.2", n],
        request: SYN,
        requestIdle: 30,
      }),
    );
    small.put(...syns);
  }
  const left = idle.filter((spec) => small.standing(spec) === "both").length;
  expect(left).toBeGreaterThan(450);
});

it("a large table is walked in full while the event loop turns (PF-10)", async () => {
  const large = FlowTable.open(131_072);
  for (const name of ["Opening", "Established", "Closing", "Closed"] as const) {
    large.settings[`setTcp${name}`](0, 100);
  }
  const specs = Array.from({ length: 20_000 }, (_, n) =>
    flow({
      client: ["198.51.100.7", n],
      masquerade: ["10.0.0.1", n],
      requestIdle: n % 2 === 0 ? 50 : 200,
    }),
  );
  large.put(...specs);
  let turns = 0;
  const turning = setInterval(() => turns++, 0);
  const swept = await sweepFlows(large.iterator);
  clearInterval(turning);
  // What is looked at before its other direction has ended the flow counts as kept.
  expect(swept.expired).toEqual(ended({ opening: 10_000 }));
  expect(large.size).toBe(20_000);
  expect(turns).toBeGreaterThan(0);
});
