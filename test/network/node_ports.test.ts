import { describe, expect, it } from "vitest";
import { parseNodePortAddresses } from "../../agent/config/parse_network.ts";
import { classify } from "../../agent/network/classify.ts";
import type { Surroundings } from "../../agent/network/surroundings.ts";
import { address, around, link, route, settings } from "./surroundings.ts";

const parts: Partial<Surroundings> = {
  links: [
    ...[link(2, "eth0"), link(3, "eth1")],
    ...[link(4, "kube-ipvs0", { kind: "dummy" }), link(6, "kube-dummy-if", { kind: "dummy" })],
  ],
  addresses: [
    address(1, "127.0.0.1/8", { scope: "host" }),
    address(2, "192.168.1.5/24"),
    address(2, "fd00:1::5/64"),
    address(2, "fe80::5/64", { scope: "link" }),
    address(3, "10.7.0.5/16"),
    address(3, "fd00:7::5/64"),
    address(4, "10.96.0.1/32"),
    address(6, "10.96.0.2/32"),
  ],
  routes: [
    route(3, "0.0.0.0/0", "10.7.0.1", 200),
    route(2, "0.0.0.0/0", "192.168.1.1", 100),
    route(2, "::/0", "fe80::1", 1024),
  ],
};

/** The addresses at which NodePorts answer. */
const answering = (wanted: string, more: Partial<Surroundings> = {}) => {
  const nodeportAddresses = parseNodePortAddresses(wanted);
  const { addresses } = classify(around({ ...parts, ...more }), settings({ nodeportAddresses }));
  return addresses.filter(({ nodePort }) => nodePort).map((each) => each.address);
};

describe("NodePorts answer (KP-26, KP-27)", () => {
  it("at the Node's own address of each family where it is primary", () => {
    const nodeAddresses = ["10.7.0.5", "fd00:7::5", "203.0.113.9"];
    expect(answering("primary", { nodeAddresses })).toEqual(["10.7.0.5", "fd00:7::5"]);
  });

  it("at those of the best default route's device until the Node says its own", () => {
    expect(answering("primary")).toEqual(["192.168.1.5", "fd00:1::5"]);
    expect(answering("primary", { nodeAddresses: ["10.7.0.5"] })).toEqual([
      "fd00:1::5",
      "10.7.0.5",
    ]);
  });

  it("at an address that the Node has and no device, as behind a translating router", () => {
    const nodeAddresses = ["203.0.113.9"];
    expect(answering("primary", { nodeAddresses })).toEqual(["fd00:1::5", "203.0.113.9"]);
  });

  it("at all addresses but the loopback's and those of IPVS proxies", () => {
    expect(answering("all")).toEqual(["192.168.1.5", "fd00:1::5", "10.7.0.5", "fd00:7::5"]);
  });

  it("at the loopback's of both families where localhost is named", () => {
    expect(answering("localhost")).toEqual(["127.0.0.1", "::1"]);
    expect(answering("primary,localhost")).toEqual([
      ...["127.0.0.1", "::1"],
      ...["192.168.1.5", "fd00:1::5"],
    ]);
  });

  it("at the loopback's of a family with a CIDR that holds it, as kube-proxy has it spelt", () => {
    expect(answering("127.0.0.0/8")).toEqual(["127.0.0.1", "fd00:1::5", "fd00:7::5"]);
    expect(answering("127.0.0.1/32,::1/128")).toEqual(["127.0.0.1", "::1"]);
    expect(answering("127.0.0.0/8,10.0.0.0/8,fd00:9::/32")).toEqual(["127.0.0.1", "10.7.0.5"]);
    expect(answering("127.1.0.0/16,fd00:9::/32")).toEqual([]);
    expect(answering("primary,127.0.0.0/8")).toEqual(["127.0.0.1", "192.168.1.5", "fd00:1::5"]);
    expect(answering("0.0.0.0/0,::/0,no-localhost")).toEqual(answering("all"));
  });

  it("at those in the CIDRs of a family, and at all of a family without any", () => {
    expect(answering("10.0.0.0/8,fd00:1::/32")).toEqual(["fd00:1::5", "10.7.0.5"]);
    expect(answering("10.0.0.0/8")).toEqual(["fd00:1::5", "10.7.0.5", "fd00:7::5"]);
    expect(answering("172.16.0.0/12,fd00:9::/32")).toEqual([]);
    expect(answering("0.0.0.0/0,::/0")).toEqual(answering("all,localhost"));
  });

  it("beside CIDRs, at what the words name", () => {
    expect(answering("primary,10.7.0.0/16")).toEqual(["192.168.1.5", "fd00:1::5", "10.7.0.5"]);
  });
});

it("every address of the node is known as its own, so that nothing to it is dropped (PF-30)", () => {
  const { addresses } = classify(around(parts), settings());
  expect(addresses.map((each) => each.address)).toEqual([
    "127.0.0.1",
    "::1",
    "192.168.1.5",
    "fd00:1::5",
    "10.7.0.5",
    "fd00:7::5",
    "10.96.0.1",
    "10.96.0.2",
  ]);
});

it("what devices of the node have is bound, but for the Services' addresses of IPVS proxies (PF-45)", () => {
  const more = {
    links: [...(parts.links ?? []), link(5, "nodelocaldns", { kind: "dummy" })],
    addresses: [
      ...(parts.addresses ?? []),
      ...[address(5, "10.96.0.10/32"), address(5, "fd00:96::a/128")],
    ],
  };
  expect([...classify(around({ ...parts, ...more }), settings()).bound]).toEqual([
    ["192.168.1.5", "eth0"],
    ["fd00:1::5", "eth0"],
    ["10.7.0.5", "eth1"],
    ["fd00:7::5", "eth1"],
    ["10.96.0.10", "nodelocaldns"],
    ["fd00:96::a", "nodelocaldns"],
  ]);
});

describe("the node's own address (KP-05)", () => {
  it("is what the Node object says", () => {
    const nodeAddresses = ["10.7.0.5", "192.168.1.5", "fd00:7::5"];
    const { primary } = classify(around({ ...parts, nodeAddresses }), settings());
    expect(primary).toEqual({ IPv4: "10.7.0.5", IPv6: "fd00:7::5" });
  });

  it("is none without a Node object and a default route", () => {
    const { primary } = classify(around({ ...parts, routes: [] }), settings());
    expect(primary).toEqual({});
  });
});
