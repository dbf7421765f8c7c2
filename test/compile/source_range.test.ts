import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileService } from "../../agent/compile/compile.ts";
import type { IpFamily } from "../../agent/model/address.ts";
import type { Service } from "../../agent/model/service.ts";
import { service } from "../model/objects.ts";

const here = { name: "node-a", zone: undefined };
const settings = { families: new Set<IpFamily>(["IPv4", "IPv6"]) };

function compile(loadBalancerSourceRanges: readonly string[], given: Partial<Service> = {}) {
  const balancer = service({
    type: "LoadBalancer",
    clusterIPs: ["10.96.0.10", "fd00:96::a"],
    loadBalancerSourceRanges,
    ...given,
  });
  const { services, problems } = compileService(balancer, [], here, settings);
  return { v4: services[0]?.sourceRanges, v6: services[1]?.sourceRanges, problems };
}

describe("the ranges that may use a load balancer's address (KP-24)", () => {
  it.each<[string, string[], string[] | undefined, string[] | undefined]>([
    ["none: everyone", [], undefined, undefined],
    ["each family its own", ["192.0.2.0/24", "2001:db8::/32"], ["192.0.2.0/24"], ["2001:db8::/32"]],
    ["none of a family: everyone of it", ["192.0.2.0/24"], ["192.0.2.0/24"], undefined],
    [
      "all of a family: everyone of it, beside any other",
      ["192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32"],
      undefined,
      ["2001:db8::/32"],
    ],
    ["0 bits, whatever the address: everyone", ["10.1.2.3/0", "ff::/0"], undefined, undefined],
    [
      "host bits are cleared",
      ["192.0.2.255/25", "10.255.255.255/9", "2001:db8:ffff::1/33", "fd00::ff/121"],
      ["192.0.2.128/25", "10.128.0.0/9"],
      ["2001:db8:8000::/33", "fd00::80/121"],
    ],
    ["single hosts", ["192.0.2.7/32", "2001:DB8::0007/128"], ["192.0.2.7/32"], ["2001:db8::7/128"]],
    ["spellings of one range", ["10.0.0.1/8", "10.0.0.0/8"], ["10.0.0.0/8"], undefined],
  ])("%s", (_, given, v4, v6) => {
    expect(compile(given)).toEqual({ v4, v6, problems: [] });
  });

  it("count for type LoadBalancer only (KP-34)", () => {
    const given = { type: "NodePort", externalIPs: ["198.51.100.1"] } as const;
    expect(compile(["192.0.2.0/24", "x"], given)).toEqual({
      v4: undefined,
      v6: undefined,
      problems: [],
    });
  });

  it.each([
    "x",
    "192.0.2.0",
    "192.0.2.0/",
    "192.0.2.0/33",
    "192.0.2.0/024",
    "192.0.2.0/-1",
    "192.0.2.0/24/24",
    "192.0.2/24",
    "2001:db8::/129",
    "fe80::%eth0/64",
    "::ffff:10.0.0.0/104",
    "/8",
  ])("without %s, which is reported", (range) => {
    expect(compile([range, "10.0.0.0/8"])).toEqual({
      v4: ["10.0.0.0/8"],
      v6: undefined,
      problems: [
        {
          code: "invalid-source-range",
          target: "Service default/web",
          message: `source range "${range}" is ignored; write a CIDR such as 192.0.2.0/24`,
        },
      ],
    });
  });

  it("limit nobody where not one is valid, as in kube-proxy, and that is said", () => {
    const { v4, v6, problems } = compile(["x"]);
    expect([v4, v6]).toEqual([undefined, undefined]);
    expect(problems.map(({ message }) => message)).toEqual([
      'source range "x" is ignored; write a CIDR such as 192.0.2.0/24',
      "every client may use its load balancer addresses, for no valid source range is left; " +
        "correct spec.loadBalancerSourceRanges",
    ]);
  });

  it("hold exactly the addresses whose leading bits are theirs", () => {
    const octets = fc.array(fc.nat({ max: 255 }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(octets, fc.integer({ min: 1, max: 32 }), (address, length) => {
        const bits = (list: readonly number[]) =>
          list.map((octet) => octet.toString(2).padStart(8, "0")).join("");
        const [range = ""] = compile([`${address.join(".")}/${length}`]).v4 ?? [];
        const [first = "", prefix] = range.split("/");
        expect(prefix).toBe(String(length));
        expect(bits(first.split(".").map(Number))).toBe(
          bits(address).slice(0, length).padEnd(32, "0"),
        );
      }),
    );
  });
});
