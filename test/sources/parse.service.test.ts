import { describe, expect, it } from "vitest";
import { pathText } from "../../agent/sources/parse/fault.ts";
import { Interner } from "../../agent/sources/parse/intern.ts";
import { selectorsOf } from "../../agent/sources/parse/selectors.ts";
import { parseService } from "../../agent/sources/parse/service.ts";

const metadata = { namespace: "default", name: "web" };
const ports = [{ port: 80 }];

const parse = (raw: unknown) => parseService(raw, new Interner());
const parseSpec = (spec: object, more: object = {}) =>
  parse({ metadata, spec: { clusterIP: "10.96.0.10", ports, ...spec }, ...more });

const faultsOf = (raw: unknown) =>
  parse(raw).faults.map(({ path, message }) => `${pathText(path)} ${message}`);

const plain = {
  namespace: "default",
  name: "web",
  type: "ClusterIP",
  clusterIPs: ["10.96.0.10"],
  ports: [{ name: "", protocol: "TCP", port: 80, nodePort: 0 }],
  externalIPs: [],
  loadBalancerIPs: [],
  internalTrafficPolicy: "Cluster",
  externalTrafficPolicy: "Cluster",
  loadBalancerSourceRanges: [],
  healthCheckNodePort: 0,
  algorithm: "random",
  weights: new Map(),
  affinityTimeoutSeconds: 0,
};

describe("what is asked of the API server", () => {
  it("leaves out Services of other proxies, headless ones and other nodes (KP-01)", () => {
    expect(selectorsOf("services", "n1")).toEqual({
      labelSelector: "!service.kubernetes.io/service-proxy-name",
      fieldSelector: "spec.clusterIP!=None",
    });
    expect(selectorsOf("endpointslices", "n1")).toEqual({
      labelSelector: "!service.kubernetes.io/headless",
    });
    expect(selectorsOf("nodes", "n1")).toEqual({ fieldSelector: "metadata.name=n1" });
  });
});

describe("a Service", () => {
  it("gets the API server's defaults for what is absent", () => {
    expect(parseSpec({})).toEqual({ kind: "object", object: plain, faults: [] });
  });

  it.each([
    [
      "of another proxy",
      { ...metadata, labels: { "service.kubernetes.io/service-proxy-name": "" } },
      {},
    ],
    ["that is headless", metadata, { clusterIP: "None" }],
  ])("%s is skipped (KP-01)", (_, meta, spec) => {
    const raw = { metadata: meta, spec: { clusterIP: "10.96.0.10", ports, ...spec } };
    expect(parse(raw)).toEqual({ kind: "skipped", faults: [] });
  });

  it("of type ExternalName has no address to program (KP-02)", () => {
    const parsed = parse({ metadata, spec: { type: "ExternalName", externalName: "a.example" } });
    expect(parsed).toEqual({
      kind: "object",
      object: { ...plain, type: "ExternalName", clusterIPs: [], ports: [] },
      faults: [],
    });
  });

  it("without a ClusterIP yet has no address to program (KP-02)", () => {
    expect(parseSpec({ clusterIP: "" })).toMatchObject({ object: { clusterIPs: [] }, faults: [] });
  });

  it.each([
    ["both families", { clusterIPs: ["10.96.0.10", "fd00:96::a"] }, ["10.96.0.10", "fd00:96::a"]],
    ["IPv6 in long form", { clusterIP: "FD00:96:0:0::000A" }, ["fd00:96::a"]],
    ["the single form", { clusterIP: "10.96.0.11" }, ["10.96.0.11"]],
  ])("has one canonical address per family: %s (KP-20)", (_, spec, clusterIPs) => {
    expect(parseSpec(spec)).toMatchObject({ object: { clusterIPs }, faults: [] });
  });

  it("keeps ports that share a number under different protocols and names (KP-33)", () => {
    const dns = [
      { name: "udp", port: 53, protocol: "UDP", nodePort: 30053 },
      { name: "tcp", port: 53, protocol: "TCP", nodePort: 30053 },
      { name: "sctp", port: 53, protocol: "SCTP", targetPort: "dns" },
    ];
    expect(parseSpec({ ports: dns })).toMatchObject({
      object: {
        ports: [
          { name: "udp", protocol: "UDP", port: 53, nodePort: 30053 },
          { name: "tcp", protocol: "TCP", port: 53, nodePort: 30053 },
          { name: "sctp", protocol: "SCTP", port: 53, nodePort: 0 },
        ],
      },
      faults: [],
    });
  });

  it.each([
    ["none", {}, 0],
    ["None", { sessionAffinity: "None" }, 0],
    ["ClientIP", { sessionAffinity: "ClientIP" }, 10_800],
    [
      "ClientIP with a timeout",
      { sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds: 90 } } },
      90,
    ],
  ])("has the session affinity timeout of %s (KP-28)", (_, spec, affinityTimeoutSeconds) => {
    expect(parseSpec(spec)).toMatchObject({ object: { affinityTimeoutSeconds }, faults: [] });
  });

  it("takes ingress addresses of mode VIP only (KP-22)", () => {
    const ingress = [
      { ip: "192.0.2.1" },
      { ip: "192.0.2.2", ipMode: "VIP" },
      { ip: "192.0.2.3", ipMode: "Proxy" },
      { hostname: "lb.example" },
    ];
    const parsed = parseSpec({ type: "LoadBalancer" }, { status: { loadBalancer: { ingress } } });
    expect(parsed).toMatchObject({ object: { loadBalancerIPs: ["192.0.2.1", "192.0.2.2"] } });
  });

  it("takes a nodePort where one is allocated, and 0 where none is (KP-25)", () => {
    const spec = {
      type: "LoadBalancer",
      allocateLoadBalancerNodePorts: false,
      ports: [
        { name: "a", port: 80 },
        { name: "b", port: 81, nodePort: 0 },
        { name: "c", port: 82, nodePort: 30082 },
      ],
    };
    expect(parseSpec(spec)).toMatchObject({
      object: { ports: [{ nodePort: 0 }, { nodePort: 0 }, { nodePort: 30082 }] },
      faults: [],
    });
  });

  it("takes the port of its health check (KP-40)", () => {
    const spec = {
      type: "LoadBalancer",
      externalTrafficPolicy: "Local",
      healthCheckNodePort: 32000,
    };
    expect(parseSpec(spec)).toMatchObject({ object: { healthCheckNodePort: 32000 }, faults: [] });
  });

  it("takes source ranges as they are, but for white space around them (KP-24)", () => {
    const loadBalancerSourceRanges = [" 192.0.2.0/24", "2001:db8::/32\t\n", "", "  ", "x"];
    expect(parseSpec({ loadBalancerSourceRanges })).toMatchObject({
      object: { loadBalancerSourceRanges: ["192.0.2.0/24", "2001:db8::/32", "x"] },
      faults: [],
    });
  });

  it("takes external addresses and both traffic policies (KP-10, KP-23)", () => {
    const spec = {
      externalIPs: ["198.51.100.7", "198.51.100.7"],
      internalTrafficPolicy: "Local",
      externalTrafficPolicy: "Local",
    };
    expect(parseSpec(spec)).toMatchObject({
      object: { ...spec, externalIPs: ["198.51.100.7"] },
      faults: [],
    });
  });

  it.each([
    [{ ports: [] }, "spec.ports is empty: a Service needs at least one port"],
    [{ ports: null }, "spec.ports is empty: a Service needs at least one port"],
    [
      { ports: [{ port: 0 }] },
      "spec.ports[0].port 0 is not a port; write a whole number from 1 to 65535",
    ],
    [
      { ports: [{ port: 65_536 }] },
      "spec.ports[0].port 65536 is not a port; write a whole number from 1 to 65535",
    ],
    [
      { ports: [{ port: "80" }] },
      'spec.ports[0].port "80" is not a port; write a whole number from 1 to 65535',
    ],
    [
      { ports: [{ port: 80, protocol: "tcp" }] },
      'spec.ports[0].protocol "tcp" is not a protocol; write TCP, UDP or SCTP',
    ],
    [
      { type: "Clusterip" },
      'spec.type "Clusterip" is not a Service type; write ClusterIP, NodePort, LoadBalancer, ExternalName',
    ],
  ])("with %j is invalid (B7)", (spec, fault) => {
    expect(parseSpec(spec).kind).toBe("invalid");
    expect(faultsOf({ metadata, spec: { clusterIP: "10.96.0.10", ports, ...spec } })).toEqual([
      fault,
    ]);
  });

  it.each([
    [
      { clusterIP: "10.96.0.256" },
      'spec.clusterIP "10.96.0.256" is not an IP address of a host; write it as 10.0.0.1 or fd00::1',
    ],
    [
      { clusterIP: "10.96.0.1/32" },
      'spec.clusterIP "10.96.0.1/32" is not an IP address of a host; write it without a prefix length',
    ],
    [
      { clusterIP: "fe80::1%eth0" },
      'spec.clusterIP "fe80::1%eth0" is not an IP address of a host; write it without a zone',
    ],
    [
      { clusterIP: "0.0.0.0" },
      'spec.clusterIP "0.0.0.0" is not an IP address of a host; write it as 10.0.0.1 or fd00::1',
    ],
    [
      { clusterIPs: ["10.96.0.1", "10.96.0.2"] },
      "spec.clusterIPs holds two addresses of one family; keep one of 10.96.0.1 and 10.96.0.2",
    ],
    [
      { externalIPs: [7] },
      "spec.externalIPs[0] 7 is not an IP address of a host; write it as 10.0.0.1 or fd00::1",
    ],
    [
      {
        ports: [
          { port: 80, name: "a" },
          { port: 81, name: "a" },
        ],
      },
      'spec.ports[1].name "a" names two ports; give each its own name',
    ],
    [
      {
        ports: [
          { port: 80, name: "a" },
          { port: 80, name: "b" },
        ],
      },
      "spec.ports[1].port 80/TCP is listed twice; remove one of the two",
    ],
    [
      { healthCheckNodePort: 70_000 },
      "spec.healthCheckNodePort 70000 is not a port; write a whole number from 1 to 65535",
    ],
    [
      { loadBalancerSourceRanges: [7, "192.0.2.0/24"] },
      "spec.loadBalancerSourceRanges[0] 7 is not a range of addresses; write it as 192.0.2.0/24",
    ],
    [
      { internalTrafficPolicy: "local" },
      'spec.internalTrafficPolicy "local" is not a traffic policy; write Cluster or Local',
    ],
    [
      { sessionAffinity: "Cookie" },
      'spec.sessionAffinity "Cookie" is not a session affinity; write None or ClientIP',
    ],
    [
      { sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds: 0 } } },
      "spec.sessionAffinityConfig.clientIP.timeoutSeconds 0 is no timeout; write 1 to 86400 seconds",
    ],
  ])("with %j says so and keeps its valid part (B7)", (spec, fault) => {
    const parsed = parseSpec(spec);
    expect(parsed.kind).toBe("object");
    expect(parsed.faults.map(({ path, message }) => `${pathText(path)} ${message}`)).toEqual([
      fault,
    ]);
  });

  it.each([
    undefined,
    null,
    7,
    "text",
    [],
    {},
    { metadata: 3 },
    { metadata: { name: 7 } },
    { metadata, spec: [] },
    { metadata, spec: { ports: 7 } },
    { metadata, spec: { ports: [null, 3, []] } },
    { metadata: { ...metadata, labels: [] }, spec: { ports: [{ port: {} }] } },
  ])("does not crash on %j (B7)", (raw) => {
    expect(parse(raw).kind).toBe("invalid");
  });
});
