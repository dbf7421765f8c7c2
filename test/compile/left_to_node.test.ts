import { describe, expect, it } from "vitest";
import { compileService } from "../../agent/compile/compile.ts";
import type { IpFamily } from "../../agent/model/address.ts";
import type { Service } from "../../agent/model/service.ts";
import { service, servicePort } from "../model/objects.ts";

const here = { name: "node-a", zone: undefined };
const families = new Set<IpFamily>(["IPv4", "IPv6"]);
const compile = (given: Partial<Service>, bound: Readonly<Record<string, string>>) => {
  const boundAddresses = new Map(Object.entries(bound));
  const { services, leftToNode, problems } = compileService(service(given), [], here, {
    families,
    boundAddresses,
  });
  const frontends = services.flatMap((each) => each.frontends.map(({ address }) => address));
  return { frontends, leftToNode, problems };
};

const dns: Partial<Service> = {
  clusterIPs: ["10.96.0.10", "fd00:96::a"],
  ports: [
    servicePort({ name: "dns", protocol: "UDP", port: 53 }),
    servicePort({ name: "dns-tcp", port: 53 }),
  ],
};

describe("a ClusterIP that a device of this node has", () => {
  it("is left to whoever listens there, with all of its ports, and the other family is not (PF-45)", () => {
    expect(compile(dns, { "10.96.0.10": "nodelocaldns", "169.254.20.10": "nodelocaldns" })).toEqual(
      {
        frontends: ["fd00:96::a", "fd00:96::a"],
        leftToNode: [{ address: "10.96.0.10", device: "nodelocaldns" }],
        problems: [],
      },
    );
  });

  it("is left in both families where the device has both (PF-45)", () => {
    const bound = { "10.96.0.10": "nodelocaldns", "fd00:96::a": "lo" };
    expect(compile(dns, bound)).toEqual({
      frontends: [],
      leftToNode: [
        { address: "10.96.0.10", device: "nodelocaldns" },
        { address: "fd00:96::a", device: "lo" },
      ],
      problems: [],
    });
  });

  it("leaves the NodePort and the addresses from outside, though the node has those (PF-45)", () => {
    const balancer: Partial<Service> = {
      type: "LoadBalancer",
      clusterIPs: ["10.96.0.10"],
      ports: [servicePort({ nodePort: 30080 })],
      externalIPs: ["198.51.100.1"],
      loadBalancerIPs: ["203.0.113.1"],
    };
    const bound = { "10.96.0.10": "eth0", "198.51.100.1": "eth0", "203.0.113.1": "lo" };
    expect(compile(balancer, bound)).toEqual({
      frontends: ["198.51.100.1", "203.0.113.1", "0.0.0.0"],
      leftToNode: [{ address: "10.96.0.10", device: "eth0" }],
      problems: [],
    });
  });
});
