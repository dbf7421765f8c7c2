import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileService } from "../../agent/compile/compile.ts";
import type { Backend, DesiredService } from "../../agent/compile/records.ts";
import type { IpFamily } from "../../agent/model/address.ts";
import type { Endpoint } from "../../agent/model/endpoint.ts";
import type { Service } from "../../agent/model/service.ts";
import { draining, endpoint, service, servicePort, slice, unready } from "../model/objects.ts";
import { endpointArbitrary } from "./arbitrary.ts";

const settings = { families: new Set<IpFamily>(["IPv4"]) };
const onA = { nodeName: "node-a" };
const onB = { nodeName: "node-b" };
const forA = { nodeHints: ["node-a"] };
const forB = { nodeHints: ["node-b"] };
const zone1 = { zoneHints: ["zone-1"] };
const zone2 = { zoneHints: ["zone-2"] };

function compile(of: Service, endpoints: readonly Partial<Endpoint>[], zone?: string) {
  const numbered = endpoints.map((given, at) =>
    endpoint("", { ...given, address: `10.0.0.${at + 1}` }),
  );
  const node = { name: "node-a", zone };
  const result = compileService(of, [slice({ endpoints: numbered })], node, settings);
  return result.services[0] as DesiredService;
}

/** The last octets of the members of both sets: the number of the endpoint, from 1. */
const sets = ({ backends }: DesiredService) => ({
  cluster: numbers(backends.filter(({ inCluster }) => inCluster)),
  local: numbers(backends.filter(({ inLocal }) => inLocal)),
});
const numbers = (backends: readonly Backend[]) =>
  backends.map(({ address }) => Number(address.slice(address.lastIndexOf(".") + 1)));

describe("which sets a Service port uses (KP-10)", () => {
  const nodePort = { ports: [servicePort({ nodePort: 30080 })] };
  const vip = { loadBalancerIPs: ["203.0.113.1"] };
  const vip6 = { loadBalancerIPs: ["2001:db8::1"] };
  const external = { externalIPs: ["198.51.100.1"] };
  const external6 = { externalIPs: ["2001:db8::2"] };
  const inside = { internalTrafficPolicy: "Local" } as const;
  const outside = { externalTrafficPolicy: "Local" } as const;
  const balancer = { type: "LoadBalancer" } as const;
  // Endpoint 1 is local, 2 is not: the local set is [1] where it is used, the cluster set [1, 2].
  it.each<[string, Partial<Service>, number[], number[], boolean, boolean]>([
    ["ClusterIP", {}, [1, 2], [], false, false],
    ["ClusterIP, internal Local", inside, [], [1], true, false],
    ["ClusterIP, external Local without externalIPs", outside, [1, 2], [], false, false],
    ["ClusterIP, externalIP", external, [1, 2], [], false, false],
    [
      "ClusterIP, externalIP, external Local",
      { ...external, ...outside },
      [1, 2],
      [1],
      false,
      true,
    ],
    ["ClusterIP, externalIP, internal Local", { ...external, ...inside }, [1, 2], [1], true, false],
    [
      "ClusterIP, externalIP of the other family, internal Local",
      { ...external6, ...inside },
      [],
      [1],
      true,
      false,
    ],
    ["NodePort", { type: "NodePort", ...nodePort }, [1, 2], [], false, false],
    [
      "NodePort, external Local",
      { type: "NodePort", ...nodePort, ...outside },
      [1, 2],
      [1],
      false,
      true,
    ],
    [
      "NodePort, internal Local",
      { type: "NodePort", ...nodePort, ...inside },
      [1, 2],
      [1],
      true,
      false,
    ],
    [
      "LoadBalancer, VIP, external Local",
      { ...balancer, ...vip, ...outside },
      [1, 2],
      [1],
      false,
      true,
    ],
    [
      "LoadBalancer without VIP and NodePort, both Local",
      { ...balancer, ...inside, ...outside },
      [],
      [1],
      true,
      true,
    ],
    [
      "LoadBalancer, VIP of the other family, external Local",
      { ...balancer, ...vip6, ...outside },
      [1, 2],
      [],
      false,
      true,
    ],
  ])("%s", (_, given, cluster, local, internalLocal, externalLocal) => {
    const record = compile(service(given), [onA, onB]);
    expect(sets(record)).toEqual({ cluster, local });
    expect(record).toMatchObject({ internalLocal, externalLocal });
  });
});

describe("the topology mode (KP-11)", () => {
  it.each<[string, Partial<Endpoint>[], string | undefined, number[]]>([
    ["no hints", [{}, {}], "zone-1", [1, 2]],
    ["zone hints, one matches", [zone1, zone2, zone1], "zone-1", [1, 3]],
    ["zone hints, none matches", [zone2, zone2], "zone-1", [1, 2]],
    ["a zone hint is missing", [zone1, {}], "zone-1", [1, 2]],
    ["an empty list of zone hints is no hint", [zone1, { zoneHints: [] }], "zone-1", [1, 2]],
    [
      "an endpoint hinted for several zones",
      [{ zoneHints: ["x", "zone-1"] }, zone2],
      "zone-1",
      [1],
    ],
    ["the node has no zone", [zone1, zone2], undefined, [1, 2]],
    ["node hints, one matches", [forA, forB], undefined, [1]],
    ["node hints, none matches", [forB, forB], undefined, [1, 2]],
    ["a node hint is missing", [forA, {}], undefined, [1, 2]],
    ["an empty list of node hints is no hint", [forA, { nodeHints: [] }], undefined, [1, 2]],
    [
      "the node before the zone",
      [
        { ...forA, ...zone2 },
        { ...forB, ...zone1 },
      ],
      "zone-1",
      [1],
    ],
    [
      "the zone where no node hint names this node",
      [
        { ...forB, ...zone2 },
        { ...forB, ...zone1 },
      ],
      "zone-1",
      [2],
    ],
    ["the zone where a node hint is missing", [{ ...forA, ...zone2 }, zone1], "zone-1", [2]],
    ["hints of endpoints that are not ready", [zone1, { ...unready }, zone2], "zone-1", [1]],
    [
      "a matching hint on an unready endpoint only",
      [{ ...zone1, ...unready }, zone2],
      "zone-1",
      [2],
    ],
    ["a matching hint on a draining endpoint only", [{ ...forA, ...draining }, forB], "z", [2]],
  ])("%s", (_, endpoints, zone, cluster) => {
    expect(sets(compile(service(), endpoints, zone)).cluster).toEqual(cluster);
  });
});

describe("the cluster set (KP-12)", () => {
  it.each<[string, Partial<Endpoint>[], number[]]>([
    ["every ready endpoint and no other", [{}, unready, draining], [1]],
    ["ready though terminating (publishNotReadyAddresses)", [{ terminating: true }, draining], [1]],
    ["serving and terminating where none is ready", [draining, unready, draining], [1, 3]],
    [
      "no hints in the fallback",
      [
        { ...draining, ...zone2 },
        { ...draining, ...zone1 },
      ],
      [1, 2],
    ],
    ["none that terminates without serving", [{ ...draining, serving: false }], []],
    ["none that is serving, but neither ready nor terminating", [{ ready: false }], []],
    ["nothing", [], []],
  ])("%s", (_, endpoints, cluster) => {
    expect(sets(compile(service(), endpoints, "zone-1"))).toEqual({ cluster, local: [] });
  });
});

describe("the local set (KP-13)", () => {
  const web = service({ internalTrafficPolicy: "Local" });
  it.each<[string, Partial<Endpoint>[], number[]]>([
    ["local ready endpoints", [onA, onB, onA], [1, 3]],
    ["an endpoint of no node is not local", [{}], []],
    ["hints ignored", [{ ...onA, ...zone2, ...forB }], [1]],
    ["serving and terminating where no local one is ready", [{ ...onA, ...draining }, onB], [1]],
    ["no fallback while a local one is ready", [{ ...onA, ...draining }, { ...onA }], [2]],
    ["no fallback to another node", [{ ...onB, ...draining }, onB], []],
    ["no unready one", [{ ...onA, ...unready }], []],
  ])("%s", (_, endpoints, local) => {
    expect(sets(compile(web, endpoints, "zone-1"))).toEqual({ cluster: [], local });
  });

  it("falls back by itself, while the cluster set still has ready endpoints", () => {
    const both = service({ internalTrafficPolicy: "Local", externalIPs: ["198.51.100.1"] });
    const record = compile(both, [{ ...onA, ...draining }, onB, { ...onB, ...draining }]);
    expect(sets(record)).toEqual({ cluster: [2], local: [1] });
    expect(record.backends).toEqual([
      {
        address: "10.0.0.1",
        port: 8080,
        inCluster: false,
        inLocal: true,
        local: true,
        ready: false,
        serving: true,
        terminating: true,
        weight: 1,
      },
      {
        address: "10.0.0.2",
        port: 8080,
        inCluster: true,
        inLocal: false,
        local: false,
        ready: true,
        serving: true,
        terminating: false,
        weight: 1,
      },
    ]);
  });
});

describe("weights", () => {
  const none = { weight: 0 };
  const addressed = (at: number, weight: number) => ({
    weights: new Map([[`10.0.0.${at}`, weight]]),
  });

  it("come from the Service before the slice, and are 1 without either", () => {
    const weighted = service(addressed(2, 7));
    const weightsOf = ({ backends }: DesiredService) => backends.map(({ weight }) => weight);
    expect(weightsOf(compile(weighted, [{}, { weight: 3 }, { weight: 3 }]))).toEqual([1, 7, 3]);
  });

  it.each<[string, Partial<Service>, Partial<Endpoint>[], number[]]>([
    ["takes no new connections by its slice's word", {}, [none, {}], [2]],
    ["takes none by the Service's word", addressed(1, 0), [{ weight: 3 }, {}], [2]],
    ["takes them again by the Service's word", addressed(1, 2), [none, none], [1]],
    ["does not keep draining ones from being used (KP-12)", {}, [none, draining], [2]],
    ["is not used in their place either (KP-12)", {}, [{ ...draining, ...none }], []],
    ["has no say in the topology mode (KP-11)", {}, [{ ...zone2, ...none }, zone1, zone1], [2, 3]],
    ["does not lack a hint (KP-11)", {}, [none, zone1, zone2], [2]],
  ])("an endpoint of weight 0 %s", (_, given, endpoints, cluster) => {
    expect(sets(compile(service(given), endpoints, "zone-1")).cluster).toEqual(cluster);
  });

  it("of 0 leave the local set to what drains here (KP-13)", () => {
    const web = service({ internalTrafficPolicy: "Local" });
    const record = compile(web, [{ ...onA, ...none }, { ...onA, ...draining }, onB]);
    expect(sets(record)).toEqual({ cluster: [], local: [2] });
  });
});

/** KP-11 to KP-13 word by word, with no thought for cost. What drains by its weight is not there. */
function reference(given: readonly Endpoint[], zone: string | undefined) {
  const names = (hints: readonly string[] | undefined) => hints ?? [];
  const endpoints = given.filter((each) => each.weight > 0);
  const ready = endpoints.filter((each) => each.ready);
  const sameNode = ready.filter((each) => names(each.nodeHints).includes("node-a"));
  const sameZone = ready.filter((each) => names(each.zoneHints).some((name) => name === zone));
  const allNode = ready.every((each) => names(each.nodeHints).length > 0);
  const allZone = ready.every((each) => names(each.zoneHints).length > 0);
  let cluster = ready;
  if (allZone && sameZone.length > 0) cluster = sameZone;
  if (allNode && sameNode.length > 0) cluster = sameNode;
  const draining = endpoints.filter((each) => each.serving && each.terminating);
  if (cluster.length === 0) cluster = draining;
  let local = ready.filter((each) => each.nodeName === "node-a");
  if (local.length === 0) local = draining.filter((each) => each.nodeName === "node-a");
  return { cluster, local };
}

describe("any endpoints", () => {
  const scenes = fc.record({
    endpoints: fc.array(endpointArbitrary, { maxLength: 6 }),
    zone: fc.constantFrom(undefined, "zone-1", "zone-2"),
  });
  const both = service({ internalTrafficPolicy: "Local", externalIPs: ["198.51.100.1"] });

  it("are chosen as the rules say, word by word (KP-11, KP-12, KP-13)", () => {
    fc.assert(
      fc.property(scenes, ({ endpoints, zone }) => {
        const numbered = endpoints.map((each, at) => ({ ...each, address: `10.0.0.${at + 1}` }));
        const expected = reference(numbered, zone);
        expect(sets(compile(both, numbered, zone))).toEqual({
          cluster: expected.cluster.map((each) => numbered.indexOf(each) + 1),
          local: expected.local.map((each) => numbered.indexOf(each) + 1),
        });
      }),
      { numRuns: 3_000 },
    );
  });

  it("leave the cluster set non-empty while one is ready or drains (KP-12)", () => {
    fc.assert(
      fc.property(scenes, ({ endpoints, zone }) => {
        const usable = endpoints.some(
          (each) => each.weight > 0 && (each.ready || (each.serving && each.terminating)),
        );
        expect(sets(compile(service(), endpoints, zone)).cluster.length > 0).toBe(usable);
      }),
      { numRuns: 1_000 },
    );
  });
});
