import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { type Address, NODE, POD, REMOTE } from "./manifests.ts";

/** The one address outside that clients have. */
export const CLIENT: Address = { ip4: "192.0.2.254", ip6: "2001:db8::fe" };
export const EXTERNAL_DEVICE = "ext0";
export const POD_DEVICE = "pod0";
export const CGROUP = "/sys/fs/cgroup/node";

/**
 * Makes a node of the guest: a pod behind a veth pair, another pair to all that is outside, and a
 * cgroup for the node's processes. This process joins it; those in the namespaces do not, so that
 * none of their sockets meets a hook. What comes from outside bears its SCTP checksum, as from a wire;
 * what the pod sends is left to the device to sum up and to cut.
 */
export const becomeNode = (): void => {
  ip(`
    netns add outside
    netns add pod
    link add ${EXTERNAL_DEVICE} type veth peer name eth0 netns outside
    link add ${POD_DEVICE} type veth peer name eth0 netns pod
    addr add ${NODE.ip4}/24 dev ${EXTERNAL_DEVICE}
    addr add ${NODE.ip6}/64 dev ${EXTERNAL_DEVICE} nodad
    addr add 10.244.1.1/24 dev ${POD_DEVICE}
    addr add fd00:244:1::1/64 dev ${POD_DEVICE} nodad
    link set ${EXTERNAL_DEVICE} up
    link set ${POD_DEVICE} up
    route add ${REMOTE.ip4}/32 via ${CLIENT.ip4}
    route add ${REMOTE.ip6}/128 via ${CLIENT.ip6}
  `);
  inside("outside", CLIENT, [
    `addr add ${REMOTE.ip4}/32 dev lo`,
    `addr add ${REMOTE.ip6}/128 dev lo nodad`,
    `route add 10.244.1.0/24 via ${NODE.ip4}`,
    `route add fd00:244:1::/64 via ${NODE.ip6}`,
  ]);
  inside("pod", POD, ["route add default via 10.244.1.1", "route add ::/0 via fd00:244:1::1"]);
  const offloads = ["tx-checksum-sctp", "off", "tx-sctp-segmentation", "off"];
  execFileSync("/sbin/ip", [
    "netns",
    "exec",
    "outside",
    "/sbin/ethtool",
    "-K",
    "eth0",
    ...offloads,
  ]);
  for (const forwarding of ["ipv4/ip_forward", "ipv6/conf/all/forwarding"])
    writeFileSync(`/proc/sys/net/${forwarding}`, "1");
  mkdirSync(CGROUP);
  writeFileSync(`${CGROUP}/cgroup.procs`, `${process.pid}`);
};

const inside = (netns: string, { ip4, ip6 }: Address, lines: readonly string[]): void =>
  ip(
    [
      `addr add ${ip4}/24 dev eth0`,
      `addr add ${ip6}/64 dev eth0 nodad`,
      "link set lo up",
      "link set eth0 up",
      ...lines,
    ].join("\n"),
    netns,
  );

const ip = (lines: string, netns?: string): void => {
  const where = netns === undefined ? [] : ["-n", netns];
  execFileSync("/sbin/ip", [...where, "-batch", "-"], { input: lines });
};
