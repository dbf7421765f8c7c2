import { existsSync, readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { attachTcNetlink, attachTcx, BpfLink, findTcNetlink, inNetns } from "libbpf-ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addressBytes, addressText } from "../../agent/model/ip.ts";
import { addressCodec, deviceCodec, SettingsArray, SettingsFlag } from "../../bpf/build/layout.ts";
import { ip, netnsPath } from "../harness/netns.ts";
import { until } from "../harness/until.ts";
import { loadForeign } from "./foreign.ts";
import { ServedNode } from "./served_node.ts";

const deadlineMs = 10_000;

/** Resolves once the agent tells of devices as they should be, by name: "ROLE PATH HOOK". */
async function serves(served: ServedNode, wanted: Readonly<Record<string, string>>): Promise<void> {
  let told: unknown;
  await until(
    async () => {
      const { devices } = (await served.agent.status()).datapath;
      told = Object.fromEntries(
        devices.map(({ name, role, path, hook }) => [name, `${role} ${path} ${hook}`]),
      );
      return isDeepStrictEqual(told, wanted);
    },
    { deadlineMs, describe: () => `${JSON.stringify(wanted)}; told: ${JSON.stringify(told)}` },
  );
}

async function deviceOf(served: ServedNode, name: string) {
  const { devices } = (await served.agent.status()).datapath;
  const found = devices.find((each) => each.name === name);
  if (found === undefined) throw new Error(`${name} is not served`);
  return found;
}

function links(served: ServedNode): readonly string[] {
  return readdirSync(join(served.agent.pinPath, "links")).filter((name) => /-\d+$/.test(name));
}

function entryOf(served: ServedNode, index: number) {
  using map = served.map("devices");
  const value = map.lookup(Uint8Array.of(...new Uint8Array(Uint32Array.of(index).buffer)));
  return value && deviceCodec.decode(value);
}

function addressFlags(served: ServedNode): Readonly<Record<string, number>> {
  using map = served.map("node_addresses");
  return Object.fromEntries(
    [...map.entries()].map(([key, value]) => [
      addressText(addressCodec.decode(key).word, 0),
      value[0] ?? 0,
    ]),
  );
}

function settingsOf(served: ServedNode): SettingsArray {
  using map = served.map("settings");
  const bytes = map.lookup(new Uint8Array(4)) ?? new Uint8Array();
  return new SettingsArray(bytes.buffer as ArrayBuffer);
}

const bytesOf = (address: string): Uint8Array => {
  const bytes = new Uint8Array(16);
  addressBytes(address, bytes, 0);
  return bytes;
};

/** With nothing on it that could be missed, an agent's node looks so; p0 is its first pod's. */
const quiet = {
  eth0: "external neighbour tcx",
  cni0: "pod neighbour ports",
  p0: "pod stack tcx",
} as const;

describe("the network of a node", () => {
  let served: ServedNode;
  beforeAll(async () => {
    served = await ServedNode.start();
    await served.node.makePod("first");
    await serves(served, quiet);
  });
  afterAll(async () => {
    await served?.[Symbol.asyncDispose]();
  });

  const inNode = <T>(action: () => T): T => inNetns(netnsPath(served.node.netns), action);
  const onNode = (...lines: string[]) => ip(lines, served.node.netns);
  const nft = async (script: string) => {
    const { code, stderr } = await served.node.run("nft", [script], { cgroup: false });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  };

  it("is told to the programs", async () => {
    const { index, roleReason } = await deviceOf(served, "eth0");
    expect(roleReason).toBe("has a default route");
    const { ip4, ip6 } = served.node;
    expect(entryOf(served, index)).toEqual({
      v4: bytesOf(ip4),
      v6: bytesOf(ip6),
      mtu: 1500,
      flags: 0b0101,
    });
    expect(entryOf(served, (await deviceOf(served, "cni0")).index)?.flags).toBe(0b0110);
    expect(entryOf(served, (await deviceOf(served, "p0")).index)?.flags).toBe(0b0010);
  });

  it("has the addresses that are the node's, and NodePorts at its own (KP-05, KP-26)", () => {
    const { ip4, ip6, podCidr4 } = served.node;
    expect(addressFlags(served)).toEqual({
      "127.0.0.1": 1,
      "::1": 1,
      [ip4]: 3,
      [ip6]: 3,
      [podCidr4.replace(".0/24", ".1")]: 1,
      [served.node.podCidr6.replace("::/64", "::1")]: 1,
    });
    const settings = settingsOf(served);
    expect(Buffer.from(settings.nodeV4(0))).toEqual(Buffer.from(bytesOf(ip4)));
    expect(Buffer.from(settings.nodeV6(0))).toEqual(Buffer.from(bytesOf(ip6)));
    expect(settings.hostNetns(0)).not.toBe(0n);
    expect(settings.flags(0) & SettingsFlag.CLUSTER_IP_FROM_OUTSIDE).toBe(0);
    expect([settings.snatPortFirst(0), settings.snatPortLast(0)]).toEqual([1024, 29_999]);
  });

  it("has a pod's device as soon as it is there, and not when it has gone", async () => {
    const pod = await served.node.makePod("brief");
    await serves(served, { ...quiet, p1: "pod stack tcx" });
    const { index } = await deviceOf(served, "p1");
    expect(links(served)).toContain(`sluice_from_pod-${index}`);
    expect(entryOf(served, index)?.flags).toBe(0b0010);
    await pod[Symbol.asyncDispose]();
    await serves(served, quiet);
    expect(links(served)).not.toContain(`sluice_from_pod-${index}`);
    expect(entryOf(served, index)).toBeUndefined();
  });

  it("hands to the stack while netfilter has rules that would be missed", async () => {
    await nft("add table inet rules");
    await nft("add chain inet rules forward { type filter hook forward priority 0; }");
    await nft("add rule inet rules forward ip saddr 192.0.2.1 drop");
    await serves(served, { eth0: "external stack tcx", p0: "pod stack tcx" });
    const { pathReason } = await deviceOf(served, "eth0");
    expect(pathReason).toBe(
      "hands to the stack: chain inet rules forward has 1 rule; --fast-path on skips them",
    );
    await nft("delete table inet rules");
    await serves(served, quiet);
  });

  it("may skip chains that are empty, or judge only what is the node's own", async () => {
    await nft("add table ip own");
    await nft("add chain ip own forward { type filter hook forward priority 0; }");
    await nft("add chain ip own input { type filter hook input priority 0; }");
    await nft("add rule ip own input ip saddr 192.0.2.1 drop");
    await nft("add chain ip own masq { type nat hook postrouting priority 100; }");
    await nft("add rule ip own masq ip saddr 192.0.2.1 masquerade");
    // By a rule that would be missed it is seen that the others have been looked at.
    await nft("add rule ip own forward ip saddr 192.0.2.1 drop");
    await serves(served, { eth0: "external stack tcx", p0: "pod stack tcx" });
    await nft("flush chain ip own forward");
    await serves(served, quiet);
    await nft("delete table ip own");
  });

  it("leads straight into a pod with a route of its own, but not past others' programs", async () => {
    using foreign = await loadForeign();
    const theirs = foreign.program("foreign_tc");
    await onNode("link set p0 nomaster", "route add 10.244.1.77/32 dev p0");
    const peer = { eth0: quiet.eth0, p0: "pod peer tcx" };
    await serves(served, peer);
    const { index } = await deviceOf(served, "p0");
    expect(entryOf(served, index)?.flags).toBe(0b1110);

    const place = { ifindex: index, priority: 1, handle: 1 } as const;
    const egress = inNode(() => attachTcNetlink(theirs, { ...place, direction: "egress" }));
    await serves(served, { ...peer, p0: "pod neighbour tcx" });
    const ingress = inNode(() => attachTcNetlink(theirs, { ...place, direction: "ingress" }));
    await serves(served, { ...peer, p0: "pod stack tcx" });
    inNode(() => ingress.detach());
    inNode(() => egress.detach());
    await serves(served, peer);

    await onNode("route delete 10.244.1.77/32 dev p0", "link set p0 master cni0");
    await serves(served, quiet);
  });

  it("follows a default route to another device, and one that goes with its device", async () => {
    await onNode(
      "link add up1 type veth peer name up2",
      "addr add 198.51.100.2/24 dev up1",
      "link set up1 up",
      "link set up2 up",
    );
    await serves(served, quiet);
    await onNode("route add 203.0.113.0/24 via 198.51.100.1 dev up1");
    await serves(served, { ...quiet, up1: "external neighbour tcx" });
    await onNode("route replace 203.0.113.0/24 dev eth0");
    await serves(served, quiet);
    await onNode("route replace 203.0.113.0/24 via 198.51.100.1 dev up1");
    await serves(served, { ...quiet, up1: "external neighbour tcx" });
    await onNode("link set up1 down", "link set up1 up");
    await serves(served, quiet);
    await onNode("link delete up1");
  });

  it("has overlays, and devices without an Ethernet header", async () => {
    await onNode(
      `link add vx0 mtu 1450 type vxlan id 7 dstport 4790 local ${served.node.ip4}`,
      "addr add 10.250.0.1/32 dev vx0",
      "link set vx0 up",
      "tuntap add tun0 mode tun",
      "addr add 10.251.0.1/24 dev tun0",
      "link set tun0 mtu 1400 up",
    );
    await serves(served, {
      ...quiet,
      vx0: "external neighbour tcx",
      tun0: "external neighbour tcx",
    });
    const vxlan = await deviceOf(served, "vx0");
    expect(vxlan.roleReason).toBe("a vxlan device with an address");
    expect(entryOf(served, vxlan.index)).toMatchObject({ v4: bytesOf("10.250.0.1"), mtu: 1450 });
    const programOf = async (name: string) => {
      const { index } = await deviceOf(served, name);
      const pin = join(served.agent.pinPath, "links", `sluice_from_outside-${index}`);
      using link = BpfLink.openPinned(pin);
      return link.info.programId;
    };
    expect(await programOf("vx0")).toBe(await programOf("eth0"));
    expect(await programOf("tun0")).not.toBe(await programOf("eth0"));
    await onNode("link delete vx0", "link delete tun0");
    await serves(served, quiet);
  });

  it("gets its program back where somebody has detached it", async () => {
    const { index } = await deviceOf(served, "p0");
    const pin = join(served.agent.pinPath, "links", `sluice_from_pod-${index}`);
    const attachedTo = () => {
      using link = BpfLink.openPinned(pin);
      return link.info.ifindex;
    };
    {
      using link = BpfLink.openPinned(pin);
      link.detach();
    }
    await until(() => attachedTo() === index, { deadlineMs, describe: "the program to be back" });
  });
});

describe("beside programs of others at its devices (PF-05)", () => {
  it("an agent starts, restarts in place and is cleaned up without touching one", async () => {
    using foreign = await loadForeign();
    const theirs = foreign.program("foreign_tc");
    await using served = await ServedNode.start();
    await serves(served, { eth0: quiet.eth0 });
    const { index } = await deviceOf(served, "eth0");
    const inNode = <T>(action: () => T): T => inNetns(netnsPath(served.node.netns), action);
    const place = { ifindex: index, direction: "ingress", priority: 1, handle: 1 } as const;
    using link = inNode(() => attachTcx(theirs, index, "egress"));
    inNode(() => attachTcNetlink(theirs, place));
    const theyStand = () => {
      expect(link.info.ifindex).toBe(index);
      expect(inNode(() => findTcNetlink(place)?.info.programId)).toBe(theirs.info.id);
    };
    const ours = () =>
      links(served).map((name) => {
        using own = BpfLink.openPinned(join(served.agent.pinPath, "links", name));
        const { id, programId, ifindex } = own.info;
        return { name, id, programId, ifindex };
      });
    const before = ours();
    expect(before.map(({ name }) => name)).toEqual([
      `sluice_from_outside-${index}`,
      `sluice_to_outside-${index}`,
    ]);

    await served.agent.kill();
    expect(ours()).toEqual(before);
    await served.agent.begin();
    theyStand();
    const after = ours();
    expect(after.map(({ id, ifindex }) => [id, ifindex])).toEqual(
      before.map(({ id, ifindex }) => [id, ifindex]),
    );
    for (const [n, { programId }] of after.entries()) {
      expect(programId).not.toBe(before[n]?.programId);
    }

    await served.agent.stop();
    const { code, stdout } = await served.agent.run("cleanup");
    expect(code).toBe(0);
    expect(stdout).toContain(
      `removed link ${served.agent.pinPath}/links/sluice_to_outside-${index}`,
    );
    expect(existsSync(served.agent.pinPath)).toBe(false);
    theyStand();
  });

  it("what was left at a device that has gone is removed, by the next agent", async () => {
    const flags = ["--devices=eth0,br9"];
    await using served = await ServedNode.start({ flags });
    await ip(["link add br9 type bridge"], served.node.netns);
    await serves(served, { eth0: "external neighbour tcx", br9: "external neighbour tcx" });
    const { index } = await deviceOf(served, "br9");
    await served.agent.kill();
    await ip(["link delete br9"], served.node.netns);
    expect(links(served)).toContain(`sluice_from_outside-${index}`);
    await served.agent.begin();
    await serves(served, { eth0: "external neighbour tcx" });
    expect(links(served)).not.toContain(`sluice_from_outside-${index}`);
  });
});

describe("the Node's own addresses", () => {
  const second = "172.30.77.1";
  const nodeFile = (name: string) =>
    JSON.stringify({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name },
      status: { addresses: [{ type: "InternalIP", address: second }] },
    });

  it("are those that NodePorts answer at, without a break at a restart (PF-04)", async () => {
    await using served = await ServedNode.start();
    const { ip4, ip6, name } = served.node;
    await ip([`addr add ${second}/32 dev eth0`], served.node.netns);
    await writeFile(join(served.folder, "node.yaml"), nodeFile(name));
    const told = { [ip4]: 1, [ip6]: 3, [second]: 3 };
    const isTold = () =>
      isDeepStrictEqual({ ...addressFlags(served), ...told }, addressFlags(served));
    await until(isTold, { deadlineMs, describe: "the Node's address to be told" });
    expect(addressText(settingsOf(served).nodeV4(0), 0)).toBe(second);

    await served.agent.kill();
    let isBack = false;
    const back = served.agent.begin().then(() => {
      isBack = true;
    });
    while (!isBack) {
      expect(addressFlags(served)).toMatchObject(told);
      expect(addressText(settingsOf(served).nodeV4(0), 0)).toBe(second);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await back;
  });

  it("answer the health checks of load balancers, and no other address does (KP-40)", async () => {
    await using served = await ServedNode.start();
    await served.backend("one", { tcp: [8080] });
    await writeFile(join(served.folder, "web.yaml"), JSON.stringify(balanced(served)));
    const port = 32_100;
    const ask = async (address: string) => {
      const format = "%{http_code}";
      const args = ["-s", "-o", "/dev/null", "-w", format, `http://${address}:${port}/`];
      return (await served.node.run("curl", args, { cgroup: false })).stdout;
    };
    await until(async () => (await ask(served.node.ip4)) === "200", {
      deadlineMs,
      describe: () => `the health check to answer; the agent said: ${served.agent.log}`,
    });
    expect(await ask(`[${served.node.ip6}]`)).toBe("503");
    expect(await ask("10.244.1.1")).toBe("000");
  });

  const balanced = ({ node }: ServedNode) => ({
    apiVersion: "v1",
    kind: "List",
    items: [
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "web", namespace: "default" },
        spec: {
          type: "LoadBalancer",
          clusterIPs: ["10.96.0.77", "fd00:10:96::77"],
          externalTrafficPolicy: "Local",
          healthCheckNodePort: 32_100,
          ports: [{ port: 80, targetPort: 8080, nodePort: 32_080 }],
        },
      },
      {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: {
          name: "web-1",
          namespace: "default",
          labels: { "kubernetes.io/service-name": "web" },
        },
        addressType: "IPv4",
        ports: [{ port: 8080 }],
        endpoints: [{ addresses: ["10.244.1.2"], nodeName: node.name }],
      },
    ],
  });
});

it("the network is told as it is set: devices, addresses, ports and ClusterIPs from outside", async () => {
  const flags = [
    "--devices=eth*",
    "--pod-devices=off",
    "--fast-path=off",
    "--nodeport-addresses=localhost,10.244.0.0/16",
    "--cluster-ip-from-outside=true",
    "--snat-port-range=20000-20099",
  ];
  await using served = await ServedNode.start({ flags });
  await served.node.makePod("first");
  await serves(served, { eth0: "external stack tcx" });
  expect(await deviceOf(served, "eth0")).toMatchObject({
    roleReason: "named by --devices",
    pathReason: "hands to the stack: --fast-path is off",
  });
  expect(addressFlags(served)).toMatchObject({
    "127.0.0.1": 3,
    "::1": 3,
    "10.244.1.1": 3,
    [served.node.ip4]: 1,
    [served.node.ip6]: 1,
  });
  const settings = settingsOf(served);
  expect(settings.flags(0) & SettingsFlag.CLUSTER_IP_FROM_OUTSIDE).not.toBe(0);
  expect([settings.snatPortFirst(0), settings.snatPortLast(0)]).toEqual([20_000, 20_099]);
});

it("names of devices that nothing has are a problem, until a device comes that has one", async () => {
  await using served = await ServedNode.start({ flags: ["--devices=wan*,uplink"] });
  const problem = {
    target: "--devices",
    message: "no device is called wan* or uplink: traffic from outside is not served",
  };
  expect((await served.agent.status()).problems).toEqual([problem]);
  await ip(["link add wan0 type bridge"], served.node.netns);
  await serves(served, { wan0: "external neighbour tcx" });
  expect((await served.agent.status()).problems).toEqual([]);
});
