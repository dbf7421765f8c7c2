import { describe, expect, it } from "vitest";
import { compileService } from "../../agent/compile/compile.ts";
import type { IpFamily } from "../../agent/model/address.ts";
import type { Service } from "../../agent/model/service.ts";
import { service, servicePort } from "../model/objects.ts";

const here = { name: "node-a", zone: undefined };
const settings = { families: new Set<IpFamily>(["IPv4", "IPv6"]) };
const compile = (given: Partial<Service>) => compileService(service(given), [], here, settings);

/** For each record: whose it is, and "kind address port" of each frontend. */
const frontendsOf = (given: Partial<Service>) =>
  Object.fromEntries(
    compile(given).services.map(({ id, frontends }) => [
      `${id.portName}/${id.protocol}/${id.family}`,
      frontends.map(({ kind, address, port }) => `${kind} ${address} ${port}`),
    ]),
  );

const balancer = { type: "LoadBalancer" } as const;
const nodePort = { type: "NodePort" } as const;
const onNode = { ports: [servicePort({ nodePort: 30080 })] };

describe("where a Service port answers", () => {
  it("at addresses of every kind, in each family by itself (KP-02, KP-20, KP-22, KP-23, KP-25)", () => {
    const everywhere = {
      ...balancer,
      ...onNode,
      clusterIPs: ["10.96.0.10", "fd00:96::a"],
      externalIPs: ["198.51.100.1", "2001:db8::1"],
      loadBalancerIPs: ["203.0.113.1", "2001:db8::2"],
    };
    expect(frontendsOf(everywhere)).toEqual({
      "/TCP/IPv4": [
        "ClusterIP 10.96.0.10 80",
        "ExternalIP 198.51.100.1 80",
        "LoadBalancer 203.0.113.1 80",
        "NodePort 0.0.0.0 30080",
      ],
      "/TCP/IPv6": [
        "ClusterIP fd00:96::a 80",
        "ExternalIP 2001:db8::1 80",
        "LoadBalancer 2001:db8::2 80",
        "NodePort :: 30080",
      ],
    });
  });

  it("in no family without a ClusterIP, whatever other addresses it has (KP-02)", () => {
    const given = { ...balancer, ...onNode, loadBalancerIPs: ["2001:db8::2"] };
    expect(frontendsOf(given)).toEqual({
      "/TCP/IPv4": ["ClusterIP 10.96.0.10 80", "NodePort 0.0.0.0 30080"],
    });
  });

  it.each<[string, Partial<Service>, string[]]>([
    ["of type NodePort with a nodePort", { ...nodePort, ...onNode }, ["NodePort 0.0.0.0 30080"]],
    ["of type NodePort without one yet", nodePort, []],
    ["of type LoadBalancer, allocateLoadBalancerNodePorts false", balancer, []],
    ["of type ClusterIP with one left over", onNode, []],
  ])("at a nodePort: %s (KP-25, KP-34)", (_, given, more) => {
    expect(frontendsOf(given)).toEqual({ "/TCP/IPv4": ["ClusterIP 10.96.0.10 80", ...more] });
  });

  it.each<[Service["type"], string[]]>([
    ["ClusterIP", ["ExternalIP 198.51.100.1 80"]],
    ["NodePort", ["ExternalIP 198.51.100.1 80"]],
    ["LoadBalancer", ["ExternalIP 198.51.100.1 80", "LoadBalancer 203.0.113.1 80"]],
  ])("at external addresses, and at a balancer's, as type %s (KP-22, KP-23)", (type, more) => {
    const addresses = { externalIPs: ["198.51.100.1"], loadBalancerIPs: ["203.0.113.1"] };
    expect(frontendsOf({ type, ...addresses })).toEqual({
      "/TCP/IPv4": ["ClusterIP 10.96.0.10 80", ...more],
    });
  });

  it("at one nodePort for three protocols (KP-33)", () => {
    const ports = [
      servicePort({ name: "udp", protocol: "UDP", port: 53, nodePort: 30053 }),
      servicePort({ name: "tcp", port: 53, nodePort: 30053 }),
      servicePort({ name: "sctp", protocol: "SCTP", port: 53, nodePort: 30053 }),
    ];
    expect(frontendsOf({ ...nodePort, ports })).toEqual({
      "udp/UDP/IPv4": ["ClusterIP 10.96.0.10 53", "NodePort 0.0.0.0 30053"],
      "tcp/TCP/IPv4": ["ClusterIP 10.96.0.10 53", "NodePort 0.0.0.0 30053"],
      "sctp/SCTP/IPv4": ["ClusterIP 10.96.0.10 53", "NodePort 0.0.0.0 30053"],
    });
  });

  it.each<[string, Partial<Service>, string[]]>([
    [
      "an external address that is the balancer's too is the balancer's, with its source ranges",
      { externalIPs: ["203.0.113.1"], loadBalancerIPs: ["203.0.113.1"] },
      ["ClusterIP 10.96.0.10 80", "LoadBalancer 203.0.113.1 80"],
    ],
    [
      "an external address that is the ClusterIP too is external",
      { externalIPs: ["10.96.0.10"] },
      ["ExternalIP 10.96.0.10 80"],
    ],
    [
      "two spellings are one address",
      { clusterIPs: ["fd00:96::a"], externalIPs: ["2001:DB8::1", "2001:db8:0::1"] },
      ["ClusterIP fd00:96::a 80", "ExternalIP 2001:db8::1 80"],
    ],
  ])("once at each address: %s (KP-24)", (_, given, frontends) => {
    expect(Object.values(frontendsOf({ ...balancer, ...given }))).toEqual([frontends]);
  });
});

describe("what cannot be a frontend is said, and the rest is programmed", () => {
  it.each([
    "web.example",
    "0.0.0.0",
    "::",
    "127.0.0.53",
    "::1",
    "169.254.20.10",
    "fe80::1",
    "febf::1",
    "224.0.0.1",
    "239.1.2.3",
    "ff02::1",
    "192.0.0.8",
    "100::8",
    "0100:0::0008",
  ])("the external address %s (KP-23, PF-06)", (address) => {
    const { services, problems } = compile({
      ...balancer,
      externalIPs: [address],
      loadBalancerIPs: ["203.0.113.1", address],
    });
    expect(services.flatMap(({ frontends }) => frontends.map(({ kind }) => kind))).toEqual([
      "ClusterIP",
      "LoadBalancer",
    ]);
    expect(problems).toEqual([
      {
        code: "invalid-external-ip",
        target: "Service default/web",
        message:
          `address "${address}" of spec.externalIPs or status.loadBalancer is not programmed; ` +
          "use one that is not loopback, link-local, multicast or unspecified, nor the agent's own " +
          "(192.0.0.8, 100::8)",
      },
    ]);
  });

  it.each(["1.1.1.1", "126.0.0.1", "128.0.0.1", "169.253.0.1", "223.1.1.1", "240.0.0.1"])(
    "but not %s, which is as good as any",
    (address) => {
      expect(compile({ externalIPs: [address] }).problems).toEqual([]);
    },
  );

  it.each([-1, 70000, 30080.5])("nodePort %d", (number) => {
    const { services, problems } = compile({
      ...nodePort,
      ports: [servicePort({ nodePort: number })],
    });
    expect(services.flatMap(({ frontends }) => frontends)).toHaveLength(1);
    expect(problems).toEqual([
      {
        code: "invalid-port",
        target: "Service default/web",
        message: `nodePort ${number} of port 80/TCP is not programmed; use 1 to 65535`,
      },
    ]);
  });

  it("the nodePort that another port of the Service has, with its protocol (KP-33)", () => {
    const ports = [
      servicePort({ name: "a", port: 80, nodePort: 30080 }),
      servicePort({ name: "b", port: 81, nodePort: 30080 }),
    ];
    expect(frontendsOf({ ...nodePort, ports })).toEqual({
      "a/TCP/IPv4": ["ClusterIP 10.96.0.10 80", "NodePort 0.0.0.0 30080"],
      "b/TCP/IPv4": ["ClusterIP 10.96.0.10 81"],
    });
    expect(compile({ ...nodePort, ports }).problems).toEqual([
      {
        code: "duplicate-port",
        target: "Service default/web",
        message:
          "nodePort 30080 of port 81/TCP (b) is not programmed: another port of the Service has " +
          "it, with its protocol; change one",
      },
    ]);
  });
});
