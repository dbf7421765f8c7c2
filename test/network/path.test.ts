import { describe, expect, it } from "vitest";
import { classify } from "../../agent/network/classify.ts";
import type { NetworkSettings } from "../../agent/network/settings.ts";
import type { Surroundings } from "../../agent/network/surroundings.ts";
import { address, around, link, podLink, route, settings } from "./surroundings.ts";

const uplink = link(2, "eth0");
const uplinkRoute = route(2, "0.0.0.0/0", "10.0.0.254");

/** Name, path and reason of each device. */
const paths = (parts: Partial<Surroundings>, wanted?: Partial<NetworkSettings>) =>
  classify(around(parts), settings(wanted)).devices.map(
    ({ name, path, pathReason }) => `${name} ${path}: ${pathReason}`,
  );

const rules = { kind: "present", what: "chain inet filter forward has 3 rules" } as const;

describe("packets by an external device", () => {
  const parts = { links: [uplink], routes: [uplinkRoute] };

  it("skip the stack where no rule of netfilter would be missed", () => {
    expect(paths(parts)).toEqual([
      "eth0 neighbour: skips the stack: no netfilter rule would be missed",
    ]);
  });

  it("are handed to the stack where one would be, unless told otherwise", () => {
    expect(paths({ ...parts, netfilter: rules })).toEqual([
      "eth0 stack: hands to the stack: chain inet filter forward has 3 rules; --fast-path on skips them",
    ]);
    expect(paths({ ...parts, netfilter: rules }, { fastPath: "on" })).toEqual([
      "eth0 neighbour: skips the stack: --fast-path is on",
    ]);
  });

  it("are handed to the stack where the rules cannot be read", () => {
    const netfilter = { kind: "unknown", why: "CAP_NET_ADMIN is needed" } as const;
    expect(paths({ ...parts, netfilter })).toEqual([
      "eth0 stack: hands to the stack: the rules of netfilter cannot be read (CAP_NET_ADMIN is needed); --fast-path on skips them",
    ]);
  });

  it("are handed to the stack where that is wanted", () => {
    expect(paths(parts, { fastPath: "off" })).toEqual([
      "eth0 stack: hands to the stack: --fast-path is off",
    ]);
  });

  it("are handed to the stack where a program of somebody else comes after ours (PF-05)", () => {
    const foreign = new Map([[2, { ingress: true, egress: false }]]);
    expect(paths({ ...parts, foreign })).toEqual([
      "eth0 stack: hands to the stack: another TC program runs after ours at its ingress; --fast-path on skips it",
    ]);
    expect(paths({ ...parts, foreign }, { fastPath: "on" })).toEqual([
      "eth0 neighbour: skips the stack: --fast-path is on",
    ]);
  });
});

describe("packets to a pod with a route of its own", () => {
  const parts = { links: [podLink(4, "veth1")], routes: [route(4, "10.244.0.4/32")] };

  it("go straight into its namespace", () => {
    expect(paths(parts)).toEqual(["veth1 peer: skips the stack and goes straight into the pod"]);
  });

  it("go by its egress where a program of somebody else runs there (PF-05)", () => {
    const foreign = new Map([[4, { ingress: false, egress: true }]]);
    expect(paths({ ...parts, foreign })).toEqual([
      "veth1 neighbour: skips the stack; another TC program at its egress still runs",
    ]);
  });

  it("go by its queue where that shapes them", () => {
    expect(paths({ ...parts, links: [podLink(4, "veth1", { qdisc: "tbf" })] })).toEqual([
      "veth1 neighbour: skips the stack; its queue (tbf) still shapes",
    ]);
  });

  it("are handed to the stack where rules would be missed", () => {
    expect(paths({ ...parts, netfilter: rules })).toEqual([
      "veth1 stack: hands to the stack: chain inet filter forward has 3 rules; --fast-path on skips them",
    ]);
  });
});

describe("packets to pods behind a bridge", () => {
  const bridge = link(3, "cni0", { kind: "bridge" });
  const port = (index: number) =>
    podLink(index, `veth${index}`, { master: 3, masterKind: "bridge" });
  const addresses = [address(3, "10.244.0.1/24"), address(3, "fd00:244::1/64")];
  const links = [bridge, port(4), port(5)];

  it("skip the stack as far as the bridge, whose ports carry the programs", () => {
    const { devices } = classify(around({ links, addresses }), settings());
    expect(devices).toMatchObject([
      {
        index: 3,
        name: "cni0",
        role: "pod",
        ports: [4, 5],
        path: "neighbour",
        sources: { IPv4: "10.244.0.1", IPv6: "fd00:244::1" },
        roleReason: "a bridge whose ports are all pods'",
        pathReason: "skips the stack: no netfilter rule would be missed",
      },
      { index: 4, path: "stack", pathReason: "reached by its bridge" },
      { index: 5, path: "stack", pathReason: "reached by its bridge" },
    ]);
  });

  it.each([
    ["rules would be missed", { links, netfilter: rules }],
    [
      "another port is no pod's",
      { links: [...links, link(6, "tap0", { kind: "tun", master: 3 })] },
    ],
    [
      "a program of somebody else comes after ours at a port",
      {
        links,
        foreign: new Map([[5, { ingress: true, egress: false }]]),
      },
    ],
  ])("are handed to the stack where %s", (_, parts) => {
    const { devices } = classify(around({ addresses, ...parts }), settings());
    expect(devices.map(({ name }) => name)).toEqual(["veth4", "veth5"]);
  });

  it("have no bridge to go by where it has no port, or pods' devices are off", () => {
    expect(paths({ links: [bridge] })).toEqual([]);
    expect(paths({ links }, { podDevices: { kind: "off" } })).toEqual([]);
  });
});
