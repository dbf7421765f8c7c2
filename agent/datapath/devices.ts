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
 * stops no other and is tried again.
 */
export class Devices {
  readonly #programs: DevicePrograms | undefined;
  readonly #hooks: DeviceHooks;
  readonly #maps: DeviceMaps;
  readonly #pins: Pins;
  readonly #served = new Map<number, Served>();
  /** What an agent before this one left, until it is known which devices there are. */
  #inherited: readonly DeviceHook[] | undefined;

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
  }

  /** Serves these devices and no others; one that has not changed costs no system call. */
  apply(devices: readonly NodeDevice[]): void {
    const wanted = new Set(devices.map(({ index }) => index));
    this.#dropInherited(wanted);
    for (const index of this.#served.keys()) if (!wanted.has(index)) this.#drop(index);
    for (const device of portsFirst(devices)) {
      const before = this.#served.get(device.index)?.device;
      if (!isDeepStrictEqual(before, device)) this.#serve(device, before);
    }
  }

  /** Serves anew what failed before, and what somebody else has detached. */
  verify(): void {
    const devices = [...this.#served.values()].map(({ device }) => device);
    for (const device of portsFirst(devices)) {
      if (!this.#stands(device)) this.#serve(device, device);
    }
  }

  /** See `ForeignPrograms`. */
  foreignAt(ifindex: number, filters: readonly Filter[]): ForeignPrograms {
    const own = this.#programs?.ids ?? new Set();
    return this.#hooks.kind === "tcx"
      ? foreignOfTcx(ifindex, own, filters)
      : foreignOfNetlink(filters);
  }

  report(): readonly DeviceReport[] {
    const served = [...this.#served.values()].map((each) => this.#reportOf(each));
    return served.toSorted((a, b) => a.index - b.index);
  }

  #reportOf({ device, problem }: Served): DeviceReport {
    const { name, index, role, roleReason, path, pathReason, ports } = device;
    const hook = ports === undefined ? this.#hooks.kind : "ports";
    return {
      ...{ name, index, role, roleReason, path, pathReason },
      hook: problem === undefined ? hook : null,
      problem: problem ?? null,
    };
  }

  #stands(device: NodeDevice): boolean {
    const isFine = this.#served.get(device.index)?.problem === undefined;
    if (device.ports !== undefined) return isFine && this.#portsProblem(device.ports) === undefined;
    return isFine && hooksOf(device).every((hook) => this.#hooks.isAttached(hook));
  }

  #serve(device: NodeDevice, before: NodeDevice | undefined): void {
    const problem = problemOf(() => {
      if (before !== undefined && before.role !== device.role) this.#forget(device.index);
      for (const hook of hooksOf(device)) this.#attach(hook, device);
      for (const hook of otherHooks(device)) this.#hooks.detach(hook);
      const ofPorts = device.ports && this.#portsProblem(device.ports);
      if (ofPorts !== undefined) throw new Error(ofPorts);
      this.#maps.devices.update(device.index, deviceEntry(device));
    });
    if (problem !== undefined) problemOf(() => this.#forget(device.index));
    this.#served.set(device.index, { device, problem });
  }

  #attach(hook: DeviceHook, { hasMacHeader }: NodeDevice): void {
    if (!existsSync(this.#pins.links)) throw new Error("the pins were removed: restart the agent");
    if (this.#programs !== undefined) {
      this.#hooks.attach(hook, this.#programs.program(hook.program, hasMacHeader));
    } else if (!this.#hooks.isAttached(hook)) {
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
  #drop(index: number): void {
    this.#served.delete(index);
    problemOf(() => this.#forget(index));
    for (const hook of allHooks(index)) problemOf(() => this.#hooks.detach(hook));
    for (let reason = 0; reason < Reason.REASONS; reason++) {
      problemOf(() => this.#maps.packetCounts.delete({ device: index, reason }));
    }
  }

  #forget(index: number): void {
    this.#maps.devices.delete(index);
  }

  #dropInherited(wanted: ReadonlySet<number>): void {
    if (this.#inherited === undefined) return;
    const known = [...this.#inherited.map(({ ifindex }) => ifindex), ...this.#maps.devices.keys()];
    for (const index of new Set(known)) if (!wanted.has(index)) this.#drop(index);
    this.#inherited = undefined;
  }
}

/** A bridge depends on its ports. */
const portsFirst = (devices: readonly NodeDevice[]): NodeDevice[] =>
  devices.toSorted((a, b) => Number(a.ports !== undefined) - Number(b.ports !== undefined));

function problemOf(action: () => void): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
