import { describe, expect, it } from "vitest";
import { compileService } from "../../agent/compile/compile.ts";
import { portKey } from "../../agent/compile/key.ts";
import type { IpFamily } from "../../agent/model/address.ts";
import type { EndpointSlice } from "../../agent/model/endpoint.ts";
import type { Service } from "../../agent/model/service.ts";
import { draining, endpoint, service, servicePort, slice, unready } from "../model/objects.ts";

const here = { name: "node-a", zone: "zone-1" };
const settings = { families: new Set<IpFamily>(["IPv4", "IPv6"]) };
const compile = (of: Service, slices: readonly EndpointSlice[] = []) =>
  compileService(of, slices, here, settings);
const backendsOf = (of: Service, slices: readonly EndpointSlice[]) =>
  compile(of, slices).services.map(({ id, backends }) => [
    portKey(id),
    backends.map(({ address, port }) => `${address} ${port}`).sort(),
  ]);

describe("a Service and its slices", () => {
  it("become one record with all that the kernel needs", () => {
    const web = service({ affinityTimeoutSeconds: 10800 });
    const slices = [
      slice({
        endpoints: [
          endpoint("10.0.0.1", { nodeName: "node-a" }),
          endpoint("10.0.0.2", { nodeName: "node-b" }),
          endpoint("10.0.0.3", unready),
          endpoint("10.0.0.4", draining),
        ],
      }),
    ];
    const flags = { inCluster: true, inLocal: false, ready: true, serving: true, weight: 1 };
    expect(compile(web, slices)).toEqual({
      services: [
        {
          id: {
            namespace: "default",
            name: "web",
            portName: "",
            protocol: "TCP",
            family: "IPv4",
          },
          port: 80,
          frontends: [{ kind: "ClusterIP", address: "10.96.0.10", port: 80 }],
          backends: [
            { address: "10.0.0.1", port: 8080, local: true, terminating: false, ...flags },
            { address: "10.0.0.2", port: 8080, local: false, terminating: false, ...flags },
          ],
          affinityTimeoutSeconds: 10800,
          internalLocal: false,
          externalLocal: false,
          algorithm: "random",
          sourceRanges: undefined,
        },
      ],
      healthCheck: undefined,
      localGaps: [],
      leftToNode: [],
      problems: [],
    });
  });

  it("stand without endpoints too, so that clients are refused (KP-14)", () => {
    expect(backendsOf(service(), [])).toEqual([["default/web:/TCP/IPv4", []]]);
  });
});

describe("what is skipped (KP-02)", () => {
  it.each<[string, Partial<Service>]>([
    ["an ExternalName", { type: "ExternalName" }],
    ["no ClusterIP", { clusterIPs: [] }],
    ["no ClusterIP and no port", { clusterIPs: [], ports: [] }],
    ["an ExternalName without ports", { type: "ExternalName", ports: [] }],
  ])("%s: nothing, and nothing to complain about", (_, given) => {
    expect(compile(service(given))).toEqual({
      services: [],
      healthCheck: undefined,
      localGaps: [],
      leftToNode: [],
      problems: [],
    });
  });

  it("a family that the Service has no ClusterIP in, whatever its slices say", () => {
    const slices = [
      slice({ endpoints: [endpoint("10.0.0.1")] }),
      slice({ name: "web-6", family: "IPv6", endpoints: [endpoint("fd00::1")] }),
    ];
    expect(backendsOf(service(), slices)).toEqual([["default/web:/TCP/IPv4", ["10.0.0.1 8080"]]]);
    expect(backendsOf(service({ clusterIPs: ["fd00:96::a"] }), slices)).toEqual([
      ["default/web:/TCP/IPv6", ["fd00::1 8080"]],
    ]);
    expect(backendsOf(service({ clusterIPs: ["fd00:96::a", "10.96.0.10"] }), slices)).toEqual([
      ["default/web:/TCP/IPv6", ["fd00::1 8080"]],
      ["default/web:/TCP/IPv4", ["10.0.0.1 8080"]],
    ]);
  });

  it("a family that the node does not serve", () => {
    const dual = service({ clusterIPs: ["10.96.0.10", "fd00:96::a"] });
    const result = compileService(dual, [], here, { families: new Set<IpFamily>(["IPv4"]) });
    expect(result.services.map(({ id }) => id.family)).toEqual(["IPv4"]);
    expect(result.problems).toEqual([]);
  });
});

describe("the join of ports (KP-03)", () => {
  it("goes by name and protocol, not by number", () => {
    const web = service({ ports: [servicePort({ name: "http", port: 80 })] });
    const slices = [
      slice({
        ports: [
          { name: "metrics", protocol: "TCP", port: 80 },
          { name: "http", protocol: "UDP", port: 81 },
          { name: "http", protocol: "TCP", port: 8080 },
          { name: "", protocol: "TCP", port: 82 },
        ],
        endpoints: [endpoint("10.0.0.1")],
      }),
    ];
    expect(backendsOf(web, slices)).toEqual([["default/web:http/TCP/IPv4", ["10.0.0.1 8080"]]]);
  });

  it("lets a named target port differ from slice to slice", () => {
    const slices = [
      slice({ endpoints: [endpoint("10.0.0.1")] }),
      slice({
        name: "web-2",
        ports: [{ name: "", protocol: "TCP", port: 9090 }],
        endpoints: [endpoint("10.0.0.1"), endpoint("10.0.0.2")],
      }),
    ];
    expect(backendsOf(service(), slices)).toEqual([
      ["default/web:/TCP/IPv4", ["10.0.0.1 8080", "10.0.0.1 9090", "10.0.0.2 9090"]],
    ]);
  });

  it.each([
    ["terminating", "ready", draining, {}],
    ["ready", "terminating", {}, draining],
  ])("takes the one that is not terminating where %s and %s entries share an address", (...row) => {
    const [, , first, second] = row;
    const slices = [
      slice({ name: "a", endpoints: [endpoint("10.0.0.1", first)] }),
      slice({ name: "b", endpoints: [endpoint("10.0.0.1", second)] }),
    ];
    const { services, problems } = compile(service(), slices);
    expect(services[0]?.backends).toMatchObject([
      { address: "10.0.0.1", ready: true, terminating: false },
    ]);
    expect(problems).toEqual([]);
  });

  it("prefers an unready entry to a terminating one, and so selects neither", () => {
    const slices = [
      slice({ name: "a", endpoints: [endpoint("10.0.0.1", draining)] }),
      slice({ name: "b", endpoints: [endpoint("10.0.0.1", unready)] }),
    ];
    expect(backendsOf(service(), slices)).toEqual([["default/web:/TCP/IPv4", []]]);
  });

  it("prefers a ready entry to an unready one of the same address", () => {
    const slices = [
      slice({ name: "a", endpoints: [endpoint("10.0.0.1", unready)] }),
      slice({ name: "b", endpoints: [endpoint("10.0.0.1", { serving: false })] }),
    ];
    expect(backendsOf(service(), slices)).toEqual([["default/web:/TCP/IPv4", ["10.0.0.1 8080"]]]);
  });

  it("merges spellings of one address", () => {
    const web = service({ clusterIPs: ["fd00:96::a"] });
    const slices = [
      slice({ family: "IPv6", endpoints: [endpoint("fd00::0:1"), endpoint("FD00::1")] }),
    ];
    expect(backendsOf(web, slices)).toEqual([["default/web:/TCP/IPv6", ["fd00::1 8080"]]]);
  });

  it("does not depend on the order of slices", () => {
    const a = slice({ name: "a", endpoints: [endpoint("10.0.0.1", { nodeName: "node-a" })] });
    const b = slice({ name: "b", endpoints: [endpoint("10.0.0.1", { nodeName: "node-b" })] });
    expect(compile(service(), [a, b])).toEqual(compile(service(), [b, a]));
    expect(compile(service(), [b, a]).services[0]?.backends[0]?.local).toBe(true);
  });
});

describe("several ports (KP-33)", () => {
  it("make one record each, the same number for all three protocols too", () => {
    const dns = service({
      ports: [
        servicePort({ name: "dns", protocol: "UDP", port: 53 }),
        servicePort({ name: "dns-tcp", protocol: "TCP", port: 53 }),
        servicePort({ name: "dns-sctp", protocol: "SCTP", port: 53 }),
        servicePort({ name: "metrics", protocol: "TCP", port: 9153 }),
      ],
    });
    const slices = [
      slice({
        ports: [
          { name: "dns", protocol: "UDP", port: 5353 },
          { name: "dns-tcp", protocol: "TCP", port: 5354 },
          { name: "dns-sctp", protocol: "SCTP", port: 5355 },
          { name: "metrics", protocol: "TCP", port: 9153 },
        ],
        endpoints: [endpoint("10.0.0.1")],
      }),
    ];
    expect(backendsOf(dns, slices)).toEqual([
      ["default/web:dns/UDP/IPv4", ["10.0.0.1 5353"]],
      ["default/web:dns-tcp/TCP/IPv4", ["10.0.0.1 5354"]],
      ["default/web:dns-sctp/SCTP/IPv4", ["10.0.0.1 5355"]],
      ["default/web:metrics/TCP/IPv4", ["10.0.0.1 9153"]],
    ]);
    expect(compile(dns).services.map(({ frontends }) => frontends[0]?.port)).toEqual([
      53, 53, 53, 9153,
    ]);
  });

  it("may bear one name for two protocols", () => {
    const web = service({
      ports: [
        servicePort({ name: "http", port: 443 }),
        servicePort({ name: "http", protocol: "UDP", port: 443 }),
      ],
    });
    expect(backendsOf(web, [])).toEqual([
      ["default/web:http/TCP/IPv4", []],
      ["default/web:http/UDP/IPv4", []],
    ]);
    expect(compile(web).problems).toEqual([]);
  });
});

describe("a change of type (KP-34)", () => {
  const slices = [slice({ endpoints: [endpoint("10.0.0.1")] })];
  const everything = {
    ports: [servicePort({ nodePort: 30080 })],
    loadBalancerIPs: ["203.0.113.1"],
    loadBalancerSourceRanges: ["192.0.2.0/24"],
  };

  it.each<[Service["type"], string[], string[] | undefined]>([
    ["ClusterIP", ["10.96.0.10:80"], undefined],
    ["NodePort", ["10.96.0.10:80", "0.0.0.0:30080"], undefined],
    ["LoadBalancer", ["10.96.0.10:80", "203.0.113.1:80", "0.0.0.0:30080"], ["192.0.2.0/24"]],
    ["ExternalName", [], undefined],
  ])("to %s heeds what that type has, whatever else is left over", (type, frontends, ranges) => {
    const { services, problems } = compile(service({ type, ...everything }), slices);
    const answering = services.flatMap((each) => each.frontends);
    expect(answering.map(({ address, port }) => `${address}:${port}`)).toEqual(frontends);
    expect(services[0]?.sourceRanges).toEqual(ranges);
    expect(problems).toEqual([]);
  });

  it("keeps the identity of a port that is renumbered, and gives a renamed one another", () => {
    const key = (given: Parameters<typeof servicePort>[0]) =>
      compile(service({ ports: [servicePort(given)] })).services.map(({ id }) => portKey(id));
    expect(key({ name: "http", port: 80 })).toEqual(key({ name: "http", port: 8000 }));
    expect(key({ name: "http", port: 80 })).not.toEqual(key({ name: "web", port: 80 }));
  });
});
