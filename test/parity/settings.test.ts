import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bench } from "./bench.ts";
import { external } from "./by_hand/external.ts";
import { policies } from "./by_hand/policies.ts";
import { type Difference, describeDifferences, type Placed } from "./comparison.ts";
import { outcomeOf } from "./outcome.ts";
import type { Scenario, ServiceCase } from "./scenario.ts";

const START_MS = 90_000;
const RUN_MS = 120_000;

const pair = [{ on: "a-1" }, { on: "b-0" }] as const;

const scenarios: readonly Scenario[] = [
  { name: "policy Cluster", steps: [{ type: "LoadBalancer", endpoints: pair }] },
  {
    name: "policy Local",
    steps: [{ type: "LoadBalancer", endpoints: pair, externalTrafficPolicy: "Local" }],
  },
  { name: "no endpoint", steps: [{ type: "NodePort", endpoints: [] }] },
];

/** Of IPv4 the other of the node's addresses alone; of IPv6, without a range, all. */
const nodePortAddresses = ["172.30.7.0/24"];

describe("with other settings", () => {
  let bench: Bench;
  let found: readonly Difference[];
  const isFromOutside = ({ cell: { from, kind } }: Difference) =>
    from === "outside" && kind === "ClusterIP";

  beforeAll(async () => {
    bench = await Bench.start({ nodePortAddresses, clusterIpFromOutside: false });
    found = await bench.run(scenarios);
  }, START_MS + RUN_MS);
  afterAll(() => bench?.[Symbol.asyncDispose]());

  it("NodePorts answer at the addresses of nodePortAddresses alone (KP-26)", () => {
    expect(describeDifferences(found.filter((each) => !isFromOutside(each)))).toBe("");
  });

  it("and they do answer there, with either proxy (KP-26)", async () => {
    const seen = await bench.look([
      { name: "seen", steps: [{ type: "NodePort", endpoints: pair }] },
    ]);
    const answers = (family: string, kind: string) =>
      seen
        .filter(({ cell }) => cell.from === "node" && cell.family === family && cell.kind === kind)
        .flatMap(({ kubeProxy, sluice }) => [kubeProxy.join(), sluice.join()]);
    const served = "a-1 from node,b-0 from node";
    const four = (outcome: string) => Array.from({ length: 4 }, () => outcome);
    expect(answers("IPv4", "OtherNodeAddress")).toEqual(four(served));
    expect(answers("IPv4", "NodePort")).toEqual(four("refused"));
    expect(answers("IPv6", "OtherNodeAddress")).toEqual(four(served));
    expect(answers("IPv6", "NodePort")).toEqual(four(served));
  });

  it("sluice leaves ClusterIPs alone from outside, deliberately, unless told otherwise", () => {
    const own = found.filter(
      (each) => isFromOutside(each) && each.scenario === "policy Cluster" && each.cell.servicePort,
    );
    expect(own.map(({ kubeProxy }) => kubeProxy)).toEqual(
      own.map(() => ["a-1 from node", "b-0 from node"]),
    );
    expect(own.map(({ sluice }) => sluice)).toEqual(own.map(() => ["unreachable"]));
    expect(own).toHaveLength(4);
  });
});

const atNode: ServiceCase = { type: "NodePort", endpoints: pair };
/** By what is behind the NodePort, who answers at the loopback. */
const loopback: Readonly<Record<string, readonly [ServiceCase, readonly string[]]>> = {
  "endpoints here and elsewhere": [atNode, ["a-1 from node", "b-0 from node"]],
  "an endpoint here": [{ ...atNode, endpoints: [{ on: "a-1" }] }, ["a-1 from node"]],
  "an endpoint elsewhere": [{ ...atNode, endpoints: [{ on: "b-0" }] }, ["b-0 from node"]],
  "no endpoint": [{ ...atNode, endpoints: [] }, ["refused"]],
  "policy Local": [
    { ...atNode, externalTrafficPolicy: "Local" },
    ["a-1 from node", "b-0 from node"],
  ],
};
const TRIES = 24;

describe("where kube-proxy has NodePorts at the loopback, in mode iptables", () => {
  let bench: Bench;
  let placed: readonly Placed[];

  beforeAll(async () => {
    const nodePortAddresses = ["127.0.0.0/8", "172.30.0.0/16", "::/0"];
    bench = await Bench.start({ mode: "iptables", nodePortAddresses });
    const scenarios = Object.entries(loopback).map(([name, [service]]) => ({
      name,
      steps: [service],
    }));
    placed = await bench.place(scenarios);
  }, START_MS + RUN_MS);
  afterAll(() => bench?.[Symbol.asyncDispose]());

  /** Whom the node reaches by TCP and UDP. */
  const outcomes = (name: string, address: string) =>
    Promise.all(
      bench.sides.map(async (side) => {
        const port = placed.find((each) => each.name === name)?.place.nodePort(0) ?? 0;
        const probes = (["TCP", "UDP"] as const).map((protocol) => {
          return { protocol, address, port, tries: TRIES };
        });
        const answers = await side.ask("node", probes);
        return answers.map((each) => outcomeOf(each, "node", side));
      }),
    );

  for (const [name, [, expected]] of Object.entries(loopback)) {
    it(`sluice has the same of them: ${name} (KP-27)`, async () => {
      const same = [expected, expected];
      expect(await outcomes(name, "127.0.0.1")).toEqual([same, same]);
    });
  }

  it("NodePorts that answer at the loopback do so in IPv6, too, deliberately (KP-27)", async () => {
    const [kubeProxy, sluice] = await outcomes("an endpoint here", "::1");
    expect(kubeProxy).toEqual([["refused"], ["refused"]]);
    expect(sluice).toEqual([["a-1 from node"], ["a-1 from node"]]);
  });
});

describe("clients see the same where packets climb the node's stack", () => {
  const climbing = [...policies, ...external];
  let bench: Bench;
  let found: readonly Difference[];

  beforeAll(async () => {
    bench = await Bench.start({ fastPath: "off" });
    found = await bench.run(climbing);
  }, START_MS + RUN_MS);
  afterAll(() => bench?.[Symbol.asyncDispose]());

  // No `it.each`: it cuts long names short.
  for (const { name } of climbing) {
    it(name, () => {
      expect(describeDifferences(found.filter(({ scenario }) => scenario === name))).toBe("");
    });
  }
});
