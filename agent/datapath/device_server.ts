import { existsSync } from "node:fs";
import { type Device, type PacketCountKey, Reason } from "../../bpf/build/layout.ts";
import type { NodeDevice } from "../network/state.ts";
import { deviceEntry } from "./device_entry.ts";
import { allHooks, type DeviceHook, type DeviceHooks, hooksOf, otherHooks } from "./device_hook.ts";
import type { DevicePrograms } from "./device_programs.ts";
import type { Pins } from "./pins.ts";

/** The maps of `bpf/maps.h` that are kept by device. */
export interface DeviceMaps {
  /** By interface index. */
  readonly devices: {
    keys(): Iterable<number>;
    update(index: number, device: Device): void;
    delete(index: number): boolean;
  };
  readonly packetCounts: { delete(key: PacketCountKey): boolean };
}

export interface DeviceServerParts {
  /** Undefined: the kernel refuses them. */
  readonly programs: DevicePrograms | undefined;
  readonly hooks: DeviceHooks;
  readonly maps: DeviceMaps;
  readonly pins: Pins;
}

/** Why a device is not served. */
export interface DeviceProblem {
  readonly message: string;
  /** There is no such device any more, as the network's own notice is about to say. */
  readonly isGone: boolean;
}

/** Serves one device, and ends that: a device is told of only while its programs are attached. */
export class DeviceServer {
  readonly #parts: DeviceServerParts;

  constructor(parts: DeviceServerParts) {
    this.#parts = parts;
  }

  /**
   * Brings a device that was served as `before` to what it should be. A device with ports is only
   * told of: `obstacle` is what speaks against that. Gives the problem; then it is not told of.
   */
  async serve(
    device: NodeDevice,
    before: NodeDevice | undefined,
    obstacle: string | undefined,
  ): Promise<DeviceProblem | undefined> {
    const { hooks, maps } = this.#parts;
    const problem = await problemOf(async () => {
      if (before !== undefined && before.role !== device.role) maps.devices.delete(device.index);
      for (const hook of hooksOf(device)) await this.#attach(hook, device);
      for (const hook of otherHooks(device)) await hooks.detach(hook);
      if (obstacle !== undefined) throw new Error(obstacle);
      maps.devices.update(device.index, deviceEntry(device));
    });
    if (problem !== undefined) await problemOf(() => maps.devices.delete(device.index));
    return problem;
  }

  /** In spite of any error: the device has mostly gone, and its programs with it. */
  async drop(index: number): Promise<void> {
    const { hooks, maps } = this.#parts;
    await problemOf(() => maps.devices.delete(index));
    for (const hook of allHooks(index)) await problemOf(() => hooks.detach(hook));
    for (let reason = 0; reason < Reason.REASONS; reason++) {
      await problemOf(() => maps.packetCounts.delete({ device: index, reason }));
    }
  }

  /** Undefined also where that cannot be asked: attaching anew shows what is wrong. */
  programAt(hook: DeviceHook): number | undefined {
    try {
      return this.#parts.hooks.programAt(hook);
    } catch {
      return undefined;
    }
  }

  /** Without programs what an older agent has attached goes on. */
  async #attach(hook: DeviceHook, { hasMacHeader }: NodeDevice): Promise<void> {
    const { programs, hooks, pins } = this.#parts;
    if (!existsSync(pins.links)) throw new Error("the pins were removed: restart the agent");
    if (programs !== undefined) {
      await hooks.attach(hook, programs.program(hook.program, hasMacHeader));
    } else if (this.programAt(hook) === undefined) {
      throw new Error("the kernel refuses the programs");
    }
  }
}

async function problemOf(action: () => unknown): Promise<DeviceProblem | undefined> {
  try {
    await action();
    return undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { message, isGone: (error as NodeJS.ErrnoException).code === "ENODEV" };
  }
}
