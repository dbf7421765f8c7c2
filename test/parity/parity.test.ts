import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generate } from "./arbitrary.ts";
import { Bench, type Mutation } from "./bench.ts";
import { topology } from "./by_hand/topology.ts";
import { byHand } from "./by_hand.ts";
import type { Cell } from "./cells.ts";
import { type Difference, describeDifferences, type Seen } from "./comparison.ts";
import { apart, deliberate } from "./deliberate.ts";
import type { Scenario, ServiceCase } from "./scenario.ts";

const START_MS = 90_000;
const RUN_MS = 180_000;

let bench: Bench;

beforeAll(async () => {
  bench = await Bench.start();
}, START_MS);
afterAll(() => bench?.[Symbol.asyncDispose]());

/** Each scenario is a test; all of them are given to the proxies at once. */
function agree(scenarios: readonly Scenario[], zone?: string): void {
  let found: readonly Difference[];
  beforeAll(async () => {
    found = await bench.run(scenarios, zone === undefined ? {} : { node: zone ? { zone } : {} });
  }, RUN_MS);

  // No `it.each`: it cuts long names short.
  for (const { name } of scenarios) {
    it(name, () => {
      expect(describeDifferences(found.filter(({ scenario }) => scenario === name))).toBe("");
    });
  }
}

describe("clients see the same of sluice and of the real kube-proxy", () => {
  describe.each(Object.entries(byHand))("%s", (_, scenarios) => agree(scenarios));
  describe("on a node of another zone (KP-05, KP-11)", () => agree(topology, "z2"));
  describe("on a node without a zone (KP-05, KP-11)", () => agree(topology, ""));
  describe("by a generator", () => agree(generate(4, 25)));
});

const pair: ServiceCase["endpoints"] = [{ on: "a-1" }, { on: "b-0" }];
const balanced = (more: ServiceCase): ServiceCase => ({
  type: "LoadBalancer",
  endpoints: pair,
  ...more,
});

describe("the bench finds what only sluice is told", () => {
  const wrong: Readonly<Record<string, readonly [told: ServiceCase, heard: ServiceCase]>> = {
    "another traffic policy": [balanced({}), balanced({ externalTrafficPolicy: "Local" })],
    "that an endpoint is ready": [
      balanced({ endpoints: [{ on: "a-1", ready: false }, { on: "b-0" }] }),
      balanced({}),
    ],
    "no source ranges": [
      balanced({ sourceRanges: ["192.0.2.0/24", "2001:db8::/32"] }),
      balanced({}),
    ],
    "no affinity": [balanced({ affinitySeconds: 600 }), balanced({})],
    "another target port": [
      balanced({}),
      balanced({
        ports: [{ protocol: "TCP", targetPort: 9999 }, { protocol: "UDP" }],
      }),
    ],
  };
  const mutate: Mutation = (service, scenario) => wrong[scenario]?.[1] ?? service;
  let found: readonly Difference[];

  beforeAll(async () => {
    const scenarios = Object.entries(wrong).map(([name, [told]]) => ({ name, steps: [told] }));
    found = await bench.run(scenarios, { mutate });
  }, RUN_MS);

  /** The kinds of addresses at which a scenario differed, by client, of one family and protocol. */
  const places = (name: string): readonly string[] =>
    found
      .filter(({ scenario, cell }) => scenario === name && isFirst(cell))
      .map(({ cell: { from, kind } }) => `${from} to ${kind}`)
      .sort();

  it("by a policy: nobody outside reaches the other node's endpoint", () => {
    expect(places("another traffic policy")).toEqual([
      "outside to LoadBalancer",
      "outside to NodePort",
      "remote to LoadBalancer",
      "remote to NodePort",
    ]);
  });

  it("by an endpoint: everybody reaches one that is not ready", () => {
    expect(places("that an endpoint is ready")).toEqual([
      "bypass to ClusterIP",
      "bypass to LoadBalancer",
      "bypass to NodePort",
      "node to ClusterIP",
      "node to LoadBalancer",
      "node to NodePort",
      "outside to ClusterIP",
      "outside to LoadBalancer",
      "outside to NodePort",
      "pod to ClusterIP",
      "pod to LoadBalancer",
      "pod to NodePort",
      "remote to LoadBalancer",
      "remote to NodePort",
    ]);
  });

  it("by source ranges: everybody is let in at the balancer's address", () => {
    expect(places("no source ranges")).toEqual(
      ["bypass", "node", "outside", "pod", "remote"].map((from) => `${from} to LoadBalancer`),
    );
  });

  it("by affinity: everybody is led to several endpoints", () => {
    expect(places("no affinity")).toContain("outside to NodePort");
    expect(places("no affinity")).toContain("pod to ClusterIP");
  });

  it("by a target port: TCP is refused, and UDP as it should be", () => {
    expect(places("another target port")).toContain("outside to NodePort");
    const own = found.filter(({ scenario }) => scenario === "another target port");
    expect(own.every(({ cell: { protocol } }) => protocol === "TCP")).toBe(true);
  });

  it("and prints the scenario as YAML with the cell", () => {
    const text = describeDifferences(
      found.filter(({ scenario, cell }) => scenario === "no source ranges" && isFirst(cell)),
    );
    expect(text).toContain("loadBalancerSourceRanges:\n    - 192.0.2.0/24");
    expect(text).toMatch(
      /outside to LoadBalancer 10\.98\.\d+\.\d+:80\/TCP: kube-proxy dropped; sluice a-1 from client, b-0 from node/,
    );
  });
});

const isFirst = ({ family, protocol }: Cell): boolean => family === "IPv4" && protocol === "TCP";

describe("sluice differs deliberately", () => {
  const shown: readonly Scenario[] = [
    { name: "both nodes", steps: [balanced({ endpoints: [{ on: "a-0" }, { on: "b-0" }] })] },
    {
      name: "nobody here",
      steps: [balanced({ endpoints: [{ on: "b-0" }], internalTrafficPolicy: "Local" })],
    },
    {
      name: "external Local",
      steps: [
        balanced({ externalTrafficPolicy: "Local", endpoints: [{ on: "a-1" }, { on: "host-b" }] }),
      ],
    },
    { name: "ranges", steps: [balanced({ sourceRanges: ["192.0.2.0/24", "2001:db8::/32"] })] },
    { name: "no address", steps: [{ type: "ExternalName" }] },
    {
      name: "foreign",
      steps: [{ endpoints: pair, labels: { "service.kubernetes.io/service-proxy-name": "other" } }],
    },
  ];
  let seen: readonly Seen[];

  beforeAll(async () => {
    seen = await bench.look(shown);
  }, RUN_MS);

  type Where = Pick<Cell, "from" | "kind"> &
    Partial<Pick<Cell, "protocol">> & { readonly unknown?: boolean };

  /** Both proxies' outcomes there, in IPv4; IPv6 must show the same. */
  function at(name: string, { from, kind, protocol = "TCP", unknown = false }: Where) {
    const [four, six] = (["IPv4", "IPv6"] as const).map((family) => {
      const own = seen.find(
        ({ scenario, cell }) =>
          scenario === name &&
          cell.from === from &&
          cell.kind === kind &&
          cell.protocol === protocol &&
          cell.family === family &&
          (cell.servicePort === undefined) === unknown,
      );
      return { kubeProxy: own?.kubeProxy.join(", "), sluice: own?.sluice.join(", ") };
    });
    expect(six).toEqual(four);
    return four;
  }

  it.each([...deliberate, ...apart])("as the documentation tells: $name", ({ name, reason }) => {
    const page = readFileSync(join(import.meta.dirname, "../../ARCHITECTURE.md"), "utf8");
    expect(page.replace(/\s+/g, " ")).toContain(`- ${name}: ${reason}`);
  });

  it("a pod of another node is outside under externalTrafficPolicy Local (KP-14, KP-32)", () => {
    const own = seen.filter(
      ({ scenario, cell }) =>
        scenario === "external Local" && cell.from === "remote" && cell.kind === "NodePort",
    );
    expect(own.map(({ sluice }) => sluice)).toEqual(own.map(() => ["a-1 from client"]));
    // What it leads to the other node is answered there directly, from an address nobody asked.
    expect(own.filter(({ kubeProxy }) => !kubeProxy.includes("dropped"))).toEqual([]);
    expect(own).toHaveLength(4);
  });

  it("a backend of the node sees the address of a client elsewhere (KP-21)", () => {
    for (const from of ["outside", "remote"] as const) {
      for (const kind of ["NodePort", "LoadBalancer"] as const) {
        expect(at("both nodes", { from, kind })).toEqual({
          kubeProxy: "a-0 from node, b-0 from node",
          sluice: "a-0 from client, b-0 from node",
        });
      }
    }
  });

  it("a pod keeps its own address towards external addresses and NodePorts (KP-21)", () => {
    for (const from of ["pod", "bypass"] as const) {
      expect(at("both nodes", { from, kind: "NodePort" })).toEqual({
        kubeProxy: "a-0 from node, b-0 from node",
        sluice: "a-0 from client, b-0 from client",
      });
    }
  });

  it("a pod that reaches itself at its socket sees its own address (KP-29)", () => {
    expect(at("both nodes", { from: "pod", kind: "ClusterIP" })).toEqual({
      kubeProxy: "a-0 from node, b-0 from client",
      sluice: "a-0 from client, b-0 from client",
    });
  });

  it("internalTrafficPolicy Local without an endpoint here refuses at once (KP-14)", () => {
    for (const from of ["pod", "bypass", "node", "outside"] as const) {
      expect(at("nobody here", { from, kind: "ClusterIP" })).toEqual({
        kubeProxy: "dropped",
        sluice: "refused",
      });
    }
  });

  it("the node itself is refused where source ranges deny it (KP-24)", () => {
    expect(at("ranges", { from: "node", kind: "LoadBalancer" })).toEqual({
      kubeProxy: "dropped",
      sluice: "refused",
    });
  });

  it("a port of an external address that no Service has is refused (PF-30)", () => {
    for (const from of ["pod", "bypass", "node", "remote", "outside"] as const) {
      expect(at("both nodes", { from, kind: "LoadBalancer", unknown: true })).toEqual({
        kubeProxy: "unreachable",
        sluice: "refused",
      });
    }
  });

  it("a ClusterIP of another proxy's Service is left alone (KP-01, KP-31)", () => {
    for (const from of ["pod", "bypass", "node", "outside"] as const) {
      expect(at("foreign", { from, kind: "ClusterIP" })).toEqual({
        kubeProxy: "dropped",
        sluice: "unreachable",
      });
    }
  });

  it("the node itself may connect a UDP socket to where nobody serves (KP-31)", () => {
    const where = { from: "node", kind: "ClusterIP", protocol: "UDP", unknown: true } as const;
    expect(at("both nodes", where)).toEqual({ kubeProxy: "refused", sluice: "unreachable" });
  });

  it("a ClusterIP that no Service has is refused (KP-31)", () => {
    for (const from of ["pod", "bypass", "node", "outside"] as const) {
      expect(at("no address", { from, kind: "ClusterIP" })).toEqual({
        kubeProxy: "dropped",
        sluice: "refused",
      });
    }
  });
});
