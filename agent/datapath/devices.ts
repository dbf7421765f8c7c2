import { existsSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { type Device, type PacketCountKey, Reason } from "../../bpf/build/layout.ts";
import type { Filter } from "../network/filter.ts";
import type { NodeDevice } from "../network/state.ts";
import type { ForeignPrograms } from "../network/surroundings.ts";
import { deviceEntry } from "./device_entry.ts";
import { foreignOfNetlink, foreignOfTcx } from "./device_foreign.ts";
import {
  allHooks,
  type DeviceHook,
  type DeviceHooks,
  hooksOf,
  otherHooks,
  pinnedHooks,
} from "./device_hook.ts";
import type { DevicePrograms } from "./device_programs.ts";
import type { DeviceReport } from "./device_report.ts";
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

interface Served {
  readonly device: NodeDevice;
  readonly problem: string | undefined;
}

/**
 * Our programs at the node's devices, and what the programs are told of those. A device is told of
 * once its programs are attached, and no more before they are detached. One that cannot be served
 * stops no other and is tried again. Work is done one device at a time, while the event loop goes on.
 */
export class Devices {
  readonly #programs: DevicePrograms | undefined;
  readonly #hooks: DeviceHooks;
  readonly #maps: DeviceMaps;
  readonly #pins: Pins;
  readonly #served = new Map<number, Served>();
  /** Undefined: nothing was said of devices yet. */
  #wanted: readonly NodeDevice[] | undefined;
  #mustVerify = false;
  #working: Promise<void> | undefined;
  /** What an agent before this one left, until it is known which devices there are. */
  #inherited: readonly DeviceHook[] | undefined;

  /** The programs of that agent. */
  readonly #older: ReadonlySet<number>;

  /** Without programs what stands is left as it is, and what does not is a problem. */
  constructor(
    programs: DevicePrograms | undefined,
    hooks: DeviceHooks,
    maps: DeviceMaps,
    pins: Pins,
  ) {
    this.#programs = programs;
    this.#hooks = hooks;
    this.#maps = maps;
    this.#pins = pins;
    this.#inherited = pinnedHooks(pins);
    this.#older = new Set(this.#inherited.flatMap((hook) => this.#programAt(hook) ?? []));
  }

  /**
   * Serves these devices and no others; one that has not changed costs no system call. Resolves once
   * that is so, or something newer was asked for and is so; never rejects.
   */
  apply(devices: readonly NodeDevice[]): Promise<void> {
    this.#wanted = inOrder(devices);
    return this.#work();
  }

  /** Serves anew what failed before, and what somebody else has detached. */
  verify(): Promise<void> {
    this.#mustVerify = true;
    return this.#work();
  }

  #work(): Promise<void> {
    this.#working ??= this.#settle().finally(() => {
      this.#working = undefined;
    });
    return this.#working;
  }

  /** What is asked for meanwhile is taken up in the next round. */
  async #settle(): Promise<void> {
    let done: readonly NodeDevice[] | undefined;
    while (this.#wanted !== undefined && (done !== this.#wanted || this.#mustVerify)) {
      const isVerified = this.#mustVerify;
      this.#mustVerify = false;
      done = this.#wanted;
      await this.#round(done, isVerified);
    }
  }

  /** Ends early where something newer is asked for. */
  async #round(wanted: readonly NodeDevice[], isVerified: boolean): Promise<void> {
    const indices = new Set(wanted.map(({ index }) => index));
    await this.#dropInherited(indices);
    for (const index of this.#served.keys()) if (!indices.has(index)) await this.#drop(index);
    for (const device of wanted) {
      const before = this.#served.get(device.index)?.device;
      if (isDeepStrictEqual(before, device) && !(isVerified && !this.#stands(device))) continue;
      await this.#serve(device, before);
      if (this.#wanted === wanted) continue;
      this.#mustVerify ||= isVerified;
      return;
    }
  }

  /** See `ForeignPrograms`. */
  foreignAt(ifindex: number, filters: readonly Filter[]): ForeignPrograms {
    const own = new Set([...this.#older, ...(this.#programs?.ids ?? [])]);
    return this.#hooks.kind === "tcx"
      ? foreignOfTcx(ifindex, own, filters)
      : foreignOfNetlink(filters);
  }

  report(): readonly DeviceReport[] {
    return (this.#wanted ?? [])
      .map((device) => this.#reportOf(device, this.#served.get(device.index)))
      .toSorted((a, b) => a.index - b.index);
  }

  #reportOf(device: NodeDevice, served: Served | undefined): DeviceReport {
    const { name, index, role, roleReason, path, pathReason, ports } = device;
    const hook = ports === undefined ? this.#hooks.kind : "ports";
    const isServed = served !== undefined && served.problem === undefined;
    return {
      ...{ name, index, role, roleReason, path, pathReason },
      hook: isServed ? hook : null,
      problem: served?.problem ?? null,
    };
  }

  #stands(device: NodeDevice): boolean {
    if (this.#served.get(device.index)?.problem !== undefined) return false;
    if (device.ports !== undefined) return this.#portsProblem(device.ports) === undefined;
    return hooksOf(device).every((hook) => this.#programAt(hook) !== undefined);
  }

  /** What cannot be asked is attached anew, which shows what is wrong. */
  #programAt(hook: DeviceHook): number | undefined {
    try {
      return this.#hooks.programAt(hook);
    } catch {
      return undefined;
    }
  }

  async #serve(device: NodeDevice, before: NodeDevice | undefined): Promise<void> {
    const problem = await problemOf(async () => {
      if (before !== undefined && before.role !== device.role) this.#forget(device.index);
      for (const hook of hooksOf(device)) await this.#attach(hook, device);
      for (const hook of otherHooks(device)) await this.#hooks.detach(hook);
      const ofPorts = device.ports && this.#portsProblem(device.ports);
      if (ofPorts !== undefined) throw new Error(ofPorts);
      this.#maps.devices.update(device.index, deviceEntry(device));
    });
    if (problem !== undefined) await problemOf(() => this.#forget(device.index));
    this.#served.set(device.index, { device, problem });
  }

  async #attach(hook: DeviceHook, { hasMacHeader }: NodeDevice): Promise<void> {
    if (!existsSync(this.#pins.links)) throw new Error("the pins were removed: restart the agent");
    if (this.#programs !== undefined) {
      await this.#hooks.attach(hook, this.#programs.program(hook.program, hasMacHeader));
    } else if (this.#programAt(hook) === undefined) {
      throw new Error("the kernel refuses the programs");
    }
  }

  #portsProblem(ports: readonly number[]): string | undefined {
    const bare = ports.find((port) => {
      const served = this.#served.get(port);
      return served === undefined || served.problem !== undefined;
    });
    return bare === undefined ? undefined : `its port ${bare} does not carry our program`;
  }

  /** In spite of any error: the device has mostly gone, and its programs with it. */
  async #drop(index: number): Promise<void> {
    this.#served.delete(index);
    await problemOf(() => this.#forget(index));
    for (const hook of allHooks(index)) await problemOf(() => this.#hooks.detach(hook));
    for (let reason = 0; reason < Reason.REASONS; reason++) {
      await problemOf(() => this.#maps.packetCounts.delete({ device: index, reason }));
    }
  }

  #forget(index: number): void {
    this.#maps.devices.delete(index);
  }

  async #dropInherited(wanted: ReadonlySet<number>): Promise<void> {
    if (this.#inherited === undefined) return;
    const known = [...this.#inherited.map(({ ifindex }) => ifindex), ...this.#maps.devices.keys()];
    this.#inherited = undefined;
    for (const index of new Set(known)) if (!wanted.has(index)) await this.#drop(index);
  }
}

/** What most depends on first, and a bridge after its ports. */
const inOrder = (devices: readonly NodeDevice[]): readonly NodeDevice[] =>
  devices.toSorted((a, b) => rankOf(a) - rankOf(b));

function rankOf({ role, ports }: NodeDevice): number {
  if (ports !== undefined) return 2;
  return role === "external" ? 0 : 1;
}

async function problemOf(action: () => unknown): Promise<string | undefined> {
  try {
    await action();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
