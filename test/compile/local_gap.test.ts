import { describe, expect, it } from "vitest";
import { compileService } from "../../agent/compile/compile.ts";
import type { IpFamily } from "../../agent/model/address.ts";
import type { Endpoint } from "../../agent/model/endpoint.ts";
import type { Service } from "../../agent/model/service.ts";
import { draining, endpoint, service, servicePort, slice, unready } from "../model/objects.ts";

const here = { name: "node-a", zone: undefined };
const settings = { families: new Set<IpFamily>(["IPv4", "IPv6"]) };

const gaps = (given: Partial<Service>, ...endpoints: readonly Partial<Endpoint>[]) => {
  const numbered = endpoints.map((each, at) => endpoint(`10.0.0.${at + 1}`, each));
  const compiled = compileService(service(given), [slice({ endpoints: numbered })], here, settings);
  return compiled.localGaps.map(({ policy, family }) => `${policy} ${family}`);
};

const internal: Partial<Service> = { internalTrafficPolicy: "Local" };
const external: Partial<Service> = {
  type: "NodePort",
  externalTrafficPolicy: "Local",
  ports: [servicePort({ nodePort: 30080 })],
};
const onB = { nodeName: "node-b" };
const onA = { nodeName: "node-a" };

describe("a Local policy without a local endpoint", () => {
  it.each<[string, Partial<Service>, Partial<Endpoint>[], string[]]>([
    ["the internal one", internal, [onB], ["internal IPv4"]],
    ["the external one", external, [onB], ["external IPv4"]],
    ["both", { ...internal, ...external }, [onB], ["internal IPv4", "external IPv4"]],
    ["a terminating endpoint elsewhere", internal, [{ ...onB, ...draining }], ["internal IPv4"]],
  ])("is counted: %s (KP-14, KP-60)", (_, given, endpoints, counted) => {
    expect(gaps(given, ...endpoints)).toEqual(counted);
  });

  it.each<[string, Partial<Service>, Partial<Endpoint>[]]>([
    ["an endpoint here", internal, [onB, onA]],
    ["one here that terminates, and serves", internal, [{ ...onA, ...draining }]],
    ["no endpoint anywhere", internal, []],
    ["none that is ready anywhere", internal, [{ ...onB, ...unready }]],
    ["the policy Cluster", {}, [onB]],
    ["no address to be asked at from outside", { externalTrafficPolicy: "Local" }, [onB]],
  ])("is not counted with %s (KP-14, KP-60)", (_, given, endpoints) => {
    expect(gaps(given, ...endpoints)).toEqual([]);
  });

  it("is counted for each port and family (KP-02, KP-60)", () => {
    const ports = [
      servicePort({ name: "a", port: 80 }),
      servicePort({ name: "b", port: 81, protocol: "UDP" }),
    ];
    const given = { ...internal, clusterIPs: ["10.96.0.10", "fd00:96::a"], ports };
    const slices = [
      slice({ ports, endpoints: [endpoint("10.0.0.1", onB)] }),
      slice({ name: "six", family: "IPv6", ports, endpoints: [endpoint("fd00::1", onB)] }),
    ];
    const { localGaps } = compileService(service(given), slices, here, settings);
    expect(localGaps.map(({ family }) => family)).toEqual(["IPv4", "IPv4", "IPv6", "IPv6"]);
  });
});
