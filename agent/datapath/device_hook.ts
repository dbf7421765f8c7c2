import { existsSync, readdirSync } from "node:fs";
import type { BpfProgram } from "libbpf-ts";
import type { NodeDevice } from "../network/state.ts";
import { type DeviceProgram, devicePrograms } from "./device_programs.ts";
import type { Pins } from "./pins.ts";

/** A place at a device where one of our programs runs. */
export interface DeviceHook {
  readonly program: DeviceProgram;
  readonly ifindex: number;
}

/**
 * One of the kernel's ways to run programs at devices. What others have attached is never touched
 * (PF-05), and what is pinned goes on without an agent (PF-04).
 */
export interface DeviceHooks {
  readonly kind: "tcx" | "netlink";
  /** Attaches, or puts the program in place of the one that stands, without a moment without any. */
  attach(hook: DeviceHook, program: BpfProgram): Promise<void>;
  /** The kernel's number of our program that is attached there; undefined: none is. */
  programAt(hook: DeviceHook): number | undefined;
  /** Idempotent, and no error where the device has gone. */
  detach(hook: DeviceHook): Promise<void>;
}

export function hooksOf({ index, role, ports }: NodeDevice): readonly DeviceHook[] {
  if (ports !== undefined) return [];
  const programs =
    role === "external"
      ? (["sluice_from_outside", "sluice_to_outside"] as const)
      : // Replies that the stack hands to a pod are translated at its door.
        (["sluice_to_outside", "sluice_from_pod"] as const);
  return programs.map((program) => ({ program, ifindex: index }));
}

/** Where our programs have no business at that device. */
export function otherHooks(device: NodeDevice): readonly DeviceHook[] {
  const wanted = hooksOf(device);
  return allHooks(device.index).filter((hook) =>
    wanted.every(({ program }) => program !== hook.program),
  );
}

export const allHooks = (ifindex: number): readonly DeviceHook[] =>
  Object.keys(devicePrograms)
    .filter(isDeviceProgram)
    .map((program) => ({ program, ifindex }));

/** What the pins say of devices, whether or not these are there still. */
export function pinnedHooks(pins: Pins): readonly DeviceHook[] {
  if (!existsSync(pins.links)) return [];
  return readdirSync(pins.links).flatMap((name) => {
    const [, program, ifindex] = /^(\w+)-(\d+)$/.exec(name) ?? [];
    if (program === undefined || !isDeviceProgram(program)) return [];
    return { program, ifindex: Number(ifindex) };
  });
}

const isDeviceProgram = (name: string): name is DeviceProgram =>
  Object.hasOwn(devicePrograms, name);
