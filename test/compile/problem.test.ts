import { describe, expect, it } from "vitest";
import { compileService } from "../../agent/compile/compile.ts";
import type { IpFamily } from "../../agent/model/address.ts";
import type { EndpointSlice } from "../../agent/model/endpoint.ts";
import type { Service } from "../../agent/model/service.ts";
import { endpoint, service, servicePort, slice } from "../model/objects.ts";

const here = { name: "node-a", zone: undefined };
const settings = { families: new Set<IpFamily>(["IPv4", "IPv6"]) };
const compile = (of: Service, slices: readonly EndpointSlice[] = []) => {
  const { services, problems } = compileService(of, slices, here, settings);
  return {
    ports: services.map(({ id, port }) => `${port}/${id.protocol}/${id.family}`),
    backends: services[0]?.backends.map(({ address }) => address),
    problems,
  };
};

describe("what cannot be programmed is said, and the rest is programmed", () => {
  it("a Service without ports", () => {
    expect(compile(service({ ports: [] }))).toMatchObject({
      ports: [],
      problems: [
        {
          code: "no-ports",
          target: "Service default/web",
          message: "nothing is programmed; add at least one port to spec.ports",
        },
      ],
    });
  });

  it.each([
    ["number", { name: "b", port: 80 }, "port 80/TCP (b)"],
    ["name", { name: "a", port: 81 }, "port 81/TCP (a)"],
  ])("a port whose %s another one has, with its protocol", (_, second, spelt) => {
    const ports = [servicePort({ name: "a" }), servicePort(second)];
    expect(compile(service({ ports }))).toMatchObject({
      ports: ["80/TCP/IPv4"],
      problems: [
        {
          code: "duplicate-port",
          target: "Service default/web",
          message:
            `${spelt} is not programmed: another port of the Service has its number or its name, ` +
            "and its protocol; change one",
        },
      ],
    });
  });

  it.each([0, -1, 65536, 80.5, Number.NaN])("port %d of a Service", (port) => {
    const ports = [servicePort({ name: "a", port }), servicePort({ name: "b", port: 65535 })];
    expect(compile(service({ ports }))).toMatchObject({
      ports: ["65535/TCP/IPv4"],
      problems: [
        {
          code: "invalid-port",
          target: "Service default/web",
          message: `port ${port}/TCP (a) is not programmed; use 1 to 65535`,
        },
      ],
    });
  });

  it("a port number of a slice that no packet can carry", () => {
    const slices = [
      slice({ ports: [{ name: "", protocol: "TCP", port: 70000 }], endpoints: [endpoint("::1")] }),
      slice({ name: "web-2", endpoints: [endpoint("10.0.0.2")] }),
    ];
    expect(compile(service(), slices)).toMatchObject({
      backends: ["10.0.0.2"],
      problems: [
        {
          code: "invalid-port",
          target: "EndpointSlice default/web-1",
          message:
            "port 70000 is not between 1 and 65535 and its endpoints get no traffic; " +
            "correct the port",
        },
      ],
    });
  });

  it.each([
    ["nonsense", "10.0.0.300"],
    ["a host name", "web.example"],
    ["the other family", "fd00::1"],
    ["a zone id", "fe80::1%eth0"],
    ["the unspecified address", "0.0.0.0"],
    ["nothing", ""],
  ])("an endpoint address that is %s (KP-03)", (_, address) => {
    const slices = [slice({ endpoints: [endpoint(address), endpoint("10.0.0.2")] })];
    expect(compile(service(), slices)).toEqual({
      ports: ["80/TCP/IPv4"],
      backends: ["10.0.0.2"],
      problems: [
        {
          code: "invalid-endpoint",
          target: "EndpointSlice default/web-1",
          message:
            `endpoint address "${address}" is not an IPv4 address of a host and gets no traffic; ` +
            "correct the address or the slice's addressType",
        },
      ],
    });
  });

  it.each(["10.0.0.1", "::ffff:10.0.0.1", "::"])("%s in an IPv6 slice", (address) => {
    const slices = [slice({ family: "IPv6", endpoints: [endpoint(address), endpoint("fd00::2")] })];
    const { backends, problems } = compile(service({ clusterIPs: ["fd00:96::a"] }), slices);
    expect(backends).toEqual(["fd00::2"]);
    expect(problems.map(({ code }) => code)).toEqual(["invalid-endpoint"]);
  });

  it.each([
    ["malformed", ["10.96.0", "fd00:96::a"], "10.96.0", ["80/TCP/IPv6"]],
    ["unspecified", ["0.0.0.0", "fd00:96::a"], "0.0.0.0", ["80/TCP/IPv6"]],
    ["a second of its family", ["10.96.0.1", "10.96.0.2"], "10.96.0.2", ["80/TCP/IPv4"]],
  ])("a cluster IP that is %s (KP-02)", (_, clusterIPs, refused, ports) => {
    expect(compile(service({ clusterIPs }))).toMatchObject({
      ports,
      problems: [
        {
          code: "invalid-cluster-ip",
          target: "Service default/web",
          message:
            `cluster IP "${refused}" is not programmed; spec.clusterIPs takes at most one IPv4 ` +
            "and one IPv6 address",
        },
      ],
    });
  });

  it("once, though every port of the Service meets it", () => {
    const ports = [servicePort({ name: "a", port: 1 }), servicePort({ name: "b", port: 2 })];
    const slices = [
      slice({
        ports: [
          { name: "a", protocol: "TCP", port: 1 },
          { name: "b", protocol: "TCP", port: 2 },
        ],
        endpoints: [endpoint("bad")],
      }),
    ];
    expect(compile(service({ ports }), slices).problems).toHaveLength(1);
  });

  it("but not a duplicate address, which is merged", () => {
    const slices = [slice({ endpoints: [endpoint("10.0.0.1"), endpoint("10.0.0.1")] })];
    expect(compile(service(), slices)).toMatchObject({ backends: ["10.0.0.1"], problems: [] });
  });
});
