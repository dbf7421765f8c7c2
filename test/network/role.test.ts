import { describe, expect, it } from "vitest";
import { classify } from "../../agent/network/classify.ts";
import type { NetworkSettings } from "../../agent/network/settings.ts";
import type { Surroundings } from "../../agent/network/surroundings.ts";
import { address, around, link, podLink, route, settings } from "./surroundings.ts";

/** Name, role and reason of each device that is served. */
const roles = (parts: Partial<Surroundings>, wanted?: Partial<NetworkSettings>) =>
  classify(around(parts), settings(wanted)).devices.map(
    ({ name, role, roleReason }) => `${name} ${role}: ${roleReason}`,
  );

describe("a device is external", () => {
  it("with a default route, whatever it is", () => {
    const links = [podLink(2, "eth0"), link(3, "br0", { kind: "bridge" })];
    const routes = [route(2, "0.0.0.0/0", "10.0.0.254"), route(3, "::/0", "fd00::1")];
    expect(roles({ links, routes })).toEqual([
      "eth0 external: has a default route",
      "br0 external: has a default route",
    ]);
  });

  it("with a route by a gateway", () => {
    const routes = [route(2, "10.244.1.0/24", "10.244.1.0")];
    expect(roles({ links: [link(2, "flannel.1", { kind: "vxlan" })], routes })).toEqual([
      "flannel.1 external: has a route by a gateway",
    ]);
  });

  it("if it is a card with a global address", () => {
    const links = [link(2, "eth1"), link(3, "eth2"), link(4, "eth3")];
    const addresses = [address(2, "10.1.0.1/24"), address(3, "fe80::1/64", { scope: "link" })];
    const routes = [route(3, "fe80::/64"), route(4, "fe80::/64")];
    expect(roles({ links, addresses, routes })).toEqual([
      "eth1 external: a network card with an address",
    ]);
  });

  it.each([
    ["vlan", "10.2.0.1/24"],
    ["bond", "10.2.0.1/24"],
    ["vxlan", "10.244.0.0/32"],
    ["geneve", "10.2.0.1/24"],
    ["ipip", "10.2.0.1/24"],
    ["sit", "fd00::1/64"],
    ["ip6gretap", "fd00::1/64"],
    ["wireguard", "10.2.0.1/24"],
    ["macvlan", "10.2.0.1/24"],
    ["tun", "10.2.0.1/24"],
  ])("of kind %s with an address: replies of remote backends may come by it", (kind, cidr) => {
    const parts = { links: [link(2, "o0", { kind })], addresses: [address(2, cidr)] };
    expect(roles(parts)).toEqual([`o0 external: a ${kind} device with an address`]);
  });

  it("of such a kind with a route only, as one that nobody gave an address", () => {
    const links = [link(2, "wg0", { kind: "wireguard" }), link(3, "wg1", { kind: "wireguard" })];
    expect(roles({ links, routes: [route(2, "10.9.0.0/16"), route(3, "fe80::/64")] })).toEqual([
      "wg0 external: a wireguard device with a route",
    ]);
  });
});

describe("a device is left alone", () => {
  it.each([
    ["the loopback", link(1, "lo", { isLoopback: true })],
    ["one that is down", link(1, "eth0", { isUp: false })],
    ["a port of a bond", link(1, "eth0", { master: 9, masterKind: "bond" })],
    ["a port of a bridge", link(1, "eth0", { master: 9, masterKind: "bridge" })],
    ["a dummy", link(1, "nodelocaldns", { kind: "dummy" })],
    ["a bridge of pods", link(1, "cni0", { kind: "bridge" })],
    ["both ends of a pair in this namespace", link(1, "veth0", { kind: "veth" })],
  ])("%s", (_, device) => {
    expect(roles({ links: [device], addresses: [address(1, "10.0.0.1/24")] })).toEqual([]);
  });
});

describe("a device is a pod's", () => {
  it("if its other end is in another namespace, also when it is down or a bridge's port", () => {
    const links = [
      podLink(5, "veth1", { isUp: false }),
      podLink(6, "veth2", { master: 9, masterKind: "bridge" }),
      link(7, "nk1", { kind: "netkit", peerIsElsewhere: true }),
    ];
    expect(roles({ links, routes: [route(5, "10.244.0.5/32")] })).toEqual([
      "veth1 pod: a veth device whose other end is in another network namespace",
      "veth2 pod: a veth device whose other end is in another network namespace",
      "nk1 pod: a netkit device whose other end is in another network namespace",
    ]);
  });

  it("unless it is external", () => {
    const parts = { links: [podLink(2, "eth0")], routes: [route(2, "0.0.0.0/0", "10.0.0.1")] };
    expect(roles(parts)).toEqual(["eth0 external: has a default route"]);
    const devices = { kind: "named", patterns: ["eth1"] } as const;
    expect(roles(parts, { devices })).toEqual([]);
  });
});

describe("devices that are named", () => {
  const parts = {
    links: [
      link(1, "lo", { isLoopback: true }),
      link(2, "eth0"),
      link(3, "wg0", { kind: "wireguard", isUp: false }),
      podLink(4, "cali1"),
      podLink(5, "lxc1"),
    ],
    routes: [route(2, "0.0.0.0/0", "10.0.0.254")],
  };
  const named = (...patterns: string[]) => ({ kind: "named", patterns }) as const;

  it("are served alone, as they are, and never the loopback", () => {
    expect(roles(parts, { devices: named("wg?", "l*"), podDevices: named("cali*") })).toEqual([
      "wg0 external: named by --devices",
      "cali1 pod: named by --pod-devices",
      "lxc1 external: named by --devices",
    ]);
  });

  it("are matched literally but for * and ?", () => {
    expect(
      roles(parts, { devices: named("eth.", "eth", "[e]th0"), podDevices: named("cali") }),
    ).toEqual([]);
  });

  it("are none where pods' are off", () => {
    expect(roles(parts, { podDevices: { kind: "off" } })).toEqual([
      "eth0 external: has a default route",
    ]);
  });
});
