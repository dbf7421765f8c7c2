import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Bench } from "./bench.ts";
import { external } from "./by_hand/external.ts";
import { policies } from "./by_hand/policies.ts";
import { type Difference, describeDifferences } from "./comparison.ts";
import type { Scenario } from "./scenario.ts";

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

describe("clients see the same where packets climb the node's stack", () => {
  const climbing = [...policies, ...external];
  let bench: Bench;
  let found: readonly Difference[];

  beforeAll(async () => {
    bench = await Bench.start({ fastPath: "off" });
    found = await bench.run(climbing);
  }, START_MS + RUN_MS);
  afterAll(() => bench?.[Symbol.asyncDispose]());

  it.each(climbing)("$name", ({ name }) => {
    expect(describeDifferences(found.filter(({ scenario }) => scenario === name))).toBe("");
  });
});
