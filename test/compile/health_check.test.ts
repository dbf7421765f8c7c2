import { describe, expect, it } from "vitest";
import { compileService } from "../../agent/compile/compile.ts";
import type { IpFamily } from "../../agent/model/address.ts";
import type { EndpointSlice } from "../../agent/model/endpoint.ts";
import type { Service } from "../../agent/model/service.ts";
import { draining, endpoint, service, servicePort, slice, unready } from "../model/objects.ts";

const here = { name: "node-a", zone: undefined };
const settings = { families: new Set<IpFamily>(["IPv4", "IPv6"]) };
const onA = { nodeName: "node-a" };

const local: Partial<Service> = {
  type: "LoadBalancer",
  externalTrafficPolicy: "Local",
  healthCheckNodePort: 32000,
};
const compile = (given: Partial<Service>, ...slices: readonly EndpointSlice[]) =>
  compileService(service(given), slices, here, settings).healthCheck;

describe("the health check of a Service", () => {
  it("names the port and how many endpoints run here (KP-40)", () => {
    const endpoints = [
      endpoint("10.0.0.1", onA),
      endpoint("10.0.0.2", onA),
      endpoint("10.0.0.3", { nodeName: "node-b" }),
      endpoint("10.0.0.4"),
    ];
    expect(compile(local, slice({ endpoints }))).toEqual({
      namespace: "default",
      name: "web",
      port: 32000,
      localEndpoints: { IPv4: 2 },
    });
  });

  it.each<[string, Partial<Service>]>([
    ["another type", { ...local, type: "NodePort" }],
    ["another type, with an address of its own", { ...local, type: "ClusterIP" }],
    ["externalTrafficPolicy Cluster", { ...local, externalTrafficPolicy: "Cluster" }],
    ["no port", { ...local, healthCheckNodePort: 0 }],
    ["no ClusterIP", { ...local, clusterIPs: [] }],
  ])("is none with %s (KP-02, KP-40)", (_, given) => {
    expect(compile(given, slice({ endpoints: [endpoint("10.0.0.1", onA)] }))).toBeUndefined();
  });

  it.each<[string, Parameters<typeof endpoint>[1], number]>([
    ["ready", {}, 1],
    ["ready though terminating", { terminating: true }, 1],
    ["terminating and serving", draining, 0],
    ["not ready", unready, 0],
    ["drained by its weight", { weight: 0 }, 0],
    ["of another node", { nodeName: "node-b" }, 0],
  ])("counts an endpoint that is %s as it takes its traffic (KP-40)", (_, given, count) => {
    const endpoints = [endpoint("10.0.0.1", { ...onA, ...given })];
    expect(compile(local, slice({ endpoints }))?.localEndpoints).toEqual({ IPv4: count });
  });

  it("counts an address once, over ports and slices, by family (KP-02, KP-40)", () => {
    const ports = [
      servicePort({ name: "a", port: 80 }),
      servicePort({ name: "b", port: 81 }),
      servicePort({ name: "c", port: 82, protocol: "SCTP" }),
    ];
    const slicePorts = ports.map(({ name, protocol, port }) => ({ name, protocol, port }));
    const pods = [endpoint("10.0.0.1", onA), endpoint("10.0.0.2", onA)];
    const dual = { ...local, ports, clusterIPs: ["10.96.0.10", "fd00:96::a"] };
    const count = compile(
      dual,
      slice({ name: "v4-1", ports: slicePorts, endpoints: pods }),
      slice({ name: "v4-2", ports: slicePorts, endpoints: pods.slice(1) }),
      slice({
        name: "v6",
        family: "IPv6",
        ports: slicePorts,
        endpoints: [endpoint("fd00::1", onA), endpoint("fd00::2", onA), endpoint("fd00::3", onA)],
      }),
    );
    expect(count?.localEndpoints).toEqual({ IPv4: 2, IPv6: 3 });
  });

  it("is 0 where nothing runs here, so that the balancer sends nothing (KP-40)", () => {
    expect(compile(local)?.localEndpoints).toEqual({ IPv4: 0 });
  });

  it("is of a family without endpoints of the Service, too, if the Service is (KP-02, KP-40)", () => {
    const dual = { ...local, clusterIPs: ["10.96.0.10", "fd00:96::a"] };
    const six = slice({ family: "IPv6", endpoints: [endpoint("fd00::1", onA)] });
    expect(compile(dual, six)?.localEndpoints).toEqual({ IPv4: 0, IPv6: 1 });
    const single = { ...local, clusterIPs: ["fd00:96::a"] };
    expect(compile(single, six)?.localEndpoints).toEqual({ IPv6: 1 });
  });
});
