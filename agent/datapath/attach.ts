import { existsSync, statSync, unlinkSync } from "node:fs";
import { type AttachType, attachCgroup, BpfError, BpfLink, type LoadedObject } from "libbpf-ts";
import { DatapathError } from "./datapath_error.ts";
import type { Pins } from "./pins.ts";
import type { ProgramReport } from "./report.ts";

type Hook = readonly [program: string, attachType: AttachType];

/**
 * In the order of attachment: what tells a socket of its VIP stands before what translates, so that
 * no translated socket ever goes unremembered.
 */
const hooks: readonly Hook[] = [
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

interface NewLink {
  readonly hook: Hook;
  readonly link: BpfLink;
}

/**
 * Attaches every program to the cgroup by a pinned link, beside whatever others have attached; a
 * link that stands is updated in place (PF-04, PF-05). What stood is not touched, and nothing is
 * pinned, before every missing program is attached; where one fails, all the new ones go again.
 * @throws {DatapathError} "attach", which names the hook.
 */
export function attachAll(object: LoadedObject, pins: Pins, cgroupPath: string): void {
  const at = <T>(hook: Hook, action: () => T): T => naming(hook, cgroupPath, action);
  const standing = hooks.filter((hook) => at(hook, () => isAttached(pins, hook, cgroupPath)));
  const made: NewLink[] = [];
  try {
    for (const hook of hooks.filter((each) => !standing.includes(each))) {
      made.push({ hook, link: at(hook, () => attach(object, hook, cgroupPath)) });
    }
    for (const hook of standing) at(hook, () => update(object, hook, pins));
    for (const { hook, link } of made) at(hook, () => pinInPlace(link, pins.link(hook[0])));
  } catch (error) {
    for (const { link } of made.reverse()) takeDown(link);
    throw error;
  } finally {
    for (const { link } of made) link.close();
  }
}

/**
 * Brings back what somebody has detached or has put in our place (PF-06). Gives the programs that
 * did not run there. Without the directory of the pins nothing is brought back: somebody has removed
 * the pins, and programs would outlive them.
 * @throws {DatapathError} "attach".
 */
export function mendAll(object: LoadedObject, pins: Pins, cgroupPath: string): readonly string[] {
  if (!existsSync(pins.links)) {
    const message = "the pins were removed: restart the agent";
    throw new DatapathError("attach", "attach programs", pins.links, message);
  }
  const missing = hooks.filter((hook) => !runs(object, hook, pins, cgroupPath));
  attachAll(object, pins, cgroupPath);
  return missing.map(([name]) => name);
}

function runs(object: LoadedObject, hook: Hook, pins: Pins, cgroupPath: string): boolean {
  const [name] = hook;
  if (!naming(hook, cgroupPath, () => isAttached(pins, hook, cgroupPath))) return false;
  using link = BpfLink.openPinned(pins.link(name));
  return link.info.programId === object.program(name).info.id;
}

/** False where there is no link, or its cgroup is another one or gone. */
function isAttached(pins: Pins, [name]: Hook, cgroupPath: string): boolean {
  if (!existsSync(pins.link(name))) return false;
  using link = BpfLink.openPinned(pins.link(name));
  return link.info.cgroupId === cgroupId(cgroupPath);
}

const attach = (object: LoadedObject, [name, attachType]: Hook, cgroupPath: string): BpfLink =>
  attachCgroup(object.program(name), cgroupPath, attachType);

function update(object: LoadedObject, [name]: Hook, pins: Pins): void {
  using link = BpfLink.openPinned(pins.link(name));
  link.update(object.program(name));
}

/** In place of a link to another cgroup, which is detached from that. */
function pinInPlace(link: BpfLink, pin: string): void {
  if (existsSync(pin)) {
    using former = BpfLink.openPinned(pin);
    unlinkSync(pin);
    former.detach();
  }
  link.pin(pin);
}

/** Detached at once, as above: the kernel is slow to forget what was pinned. */
function takeDown(link: BpfLink): void {
  link.unpin();
  link.detach();
}

function naming<T>(hook: Hook, cgroupPath: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw attachError(hook, cgroupPath, cause);
  }
}

/** The programs are loaded by then: what EPERM can mean here is a neighbour, not a capability. */
function attachError([name, attachType]: Hook, cgroupPath: string, cause: unknown): DatapathError {
  const detail = cause instanceof Error ? cause.message : String(cause);
  const message =
    cause instanceof BpfError && cause.operation === "attachCgroup" && cause.code === "EPERM"
      ? `${attachType} of ${cgroupPath} is taken: a program that is attached there, or to a cgroup above, allows no others. "bpftool cgroup tree" shows it: have its owner attach it with BPF_F_ALLOW_MULTI or detach it, or name a cgroup outside of its own with --cgroup-path`
      : `${name} cannot be attached to ${attachType} of ${cgroupPath}: ${detail}`;
  return new DatapathError("attach", "attach programs", cgroupPath, message, cause);
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

/** Undefined: nothing is there. */
const cgroupId = (path: string): bigint | undefined =>
  statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
