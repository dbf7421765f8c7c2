import { describe, expect, it } from "vitest";
import { classify } from "../../agent/network/classify.ts";
import { address, around, link, route, settings } from "./surroundings.ts";

describe("of each device it is known", () => {
  it("what its packets are masqueraded by: its first address that may be sent from", () => {
    const addresses = [
      address(2, "169.254.1.1/16", { scope: "link" }),
      address(2, "10.0.0.9/24", { isSpare: true }),
      address(2, "10.0.0.5/24"),
      address(2, "10.0.0.6/24"),
      address(2, "fe80::1/64", { scope: "link" }),
      address(2, "fd00::9/64", { isSpare: true }),
      address(2, "fd00::5/64"),
    ];
    const { devices } = classify(around({ links: [link(2, "eth0")], addresses }), settings());
    expect(devices).toMatchObject([{ sources: { IPv4: "10.0.0.5", IPv6: "fd00::5" } }]);
  });

  it("that it has no address, where it has none", () => {
    const parts = {
      links: [link(2, "wg0", { kind: "wireguard" })],
      routes: [route(2, "10.9.0.0/16")],
    };
    expect(classify(around(parts), settings()).devices).toMatchObject([{ sources: {} }]);
  });

  it("how large its packets may be, and whether they begin with an Ethernet header", () => {
    const links = [
      link(3, "wg0", { kind: "wireguard", mtu: 1420, hasMacHeader: false }),
      link(2, "eth0", { mtu: 9000 }),
    ];
    const routes = [route(2, "0.0.0.0/0", "10.0.0.1"), route(3, "10.9.0.0/16")];
    expect(classify(around({ links, routes }), settings()).devices).toMatchObject([
      { index: 2, mtu: 9000, hasMacHeader: true },
      { index: 3, mtu: 1420, hasMacHeader: false },
    ]);
  });
});

it("nothing is known of an empty network but its loopback addresses", () => {
  expect(classify(around({}), settings())).toEqual({
    devices: [],
    addresses: [
      { address: "127.0.0.1", nodePort: false },
      { address: "::1", nodePort: false },
    ],
    bound: new Map(),
    primary: {},
  });
});
