import { existsSync, statSync, unlinkSync } from "node:fs";
import { type AttachType, attachCgroup, BpfLink, type LoadedObject } from "libbpf-ts";
import type { Pins } from "./pins.ts";
import type { ProgramReport } from "./report.ts";

/**
 * In the order of attachment: what tells a socket of its VIP stands before what translates, so that
 * no translated socket ever goes unremembered.
 */
const hooks: readonly (readonly [program: string, attachType: AttachType])[] = [
  ["sluice_sock_release", "cgroup_inet_sock_release"],
  ["sluice_getpeername4", "cgroup_inet4_getpeername"],
  ["sluice_getpeername6", "cgroup_inet6_getpeername"],
  ["sluice_recvmsg4", "cgroup_udp4_recvmsg"],
  ["sluice_recvmsg6", "cgroup_udp6_recvmsg"],
  ["sluice_sendmsg4", "cgroup_udp4_sendmsg"],
  ["sluice_sendmsg6", "cgroup_udp6_sendmsg"],
  ["sluice_connect4", "cgroup_inet4_connect"],
  ["sluice_connect6", "cgroup_inet6_connect"],
];

/**
 * Attaches every program to the cgroup by a pinned link, beside whatever others have attached; a
 * link that stands is updated in place (PF-04, PF-05).
 */
export function attachAll(object: LoadedObject, pins: Pins, cgroupPath: string): void {
  for (const [name, attachType] of hooks) {
    const program = object.program(name);
    if (updateInPlace(pins.link(name), cgroupPath, (link) => link.update(program))) continue;
    const link = attachCgroup(program, cgroupPath, attachType);
    link.pin(pins.link(name));
    link.close();
  }
}

/** False where there is no link, or it was attached to another cgroup and has been taken down. */
function updateInPlace(pin: string, cgroupPath: string, update: (link: BpfLink) => void): boolean {
  if (!existsSync(pin)) return false;
  const link = BpfLink.openPinned(pin);
  try {
    if (link.info.cgroupId === cgroupId(cgroupPath)) {
      update(link);
      return true;
    }
    unlinkSync(pin);
    return false;
  } finally {
    link.close();
  }
}

/** What the pins say of each program, whether or not an agent runs. */
export function readPrograms(pins: Pins, cgroupPath: string | undefined): ProgramReport[] {
  return hooks.map(([name]) => {
    const reason = whyDetached(pins.link(name), cgroupPath);
    return reason === undefined ? { name, attached: true } : { name, attached: false, reason };
  });
}

function whyDetached(pin: string, cgroupPath: string | undefined): string | undefined {
  if (!existsSync(pin)) return "its link is not pinned";
  const link = BpfLink.openPinned(pin);
  try {
    const attached = link.info.cgroupId;
    if (attached === undefined || attached === 0n) return "it was detached, or its cgroup is gone";
    if (cgroupPath === undefined || attached === cgroupId(cgroupPath)) return undefined;
    return `it is attached to another cgroup than ${cgroupPath}`;
  } finally {
    link.close();
  }
}

const cgroupId = (path: string): bigint => statSync(path, { bigint: true }).ino;
