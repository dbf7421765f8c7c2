import { isDeepStrictEqual } from "node:util";
import type { Filter } from "../network/filter.ts";
import type { NodeDevice } from "../network/state.ts";
import type { ForeignPrograms } from "../network/surroundings.ts";
import { foreignOfNetlink, foreignOfTcx } from "./device_foreign.ts";
import { type DeviceHook, hooksOf, pinnedHooks } from "./device_hook.ts";
import type { DeviceProgram } from "./device_programs.ts";
import type { DeviceReport } from "./device_report.ts";
import { type DeviceProblem, DeviceServer, type DeviceServerParts } from "./device_server.ts";

interface Served {
  readonly device: NodeDevice;
  readonly problem: DeviceProblem | undefined;
}

/** How often a program was found missing at a device, and attached there again. */
export interface Reattached {
  readonly program: DeviceProgram;
  readonly device: string;
  readonly count: number;
}

/**
 * Our programs at the node's devices, and what the programs are told of those. A device is told of
 * once its programs are attached, and no more before they are detached. One that cannot be served
 * stops no other and is tried again. Work is done one device at a time, while the event loop goes on.
 */
export class Devices {
  readonly #parts: DeviceServerParts;
  readonly #server: DeviceServer;
  readonly #served = new Map<number, Served>();
  /** Undefined: nothing was said of devices yet. */
  #wanted: readonly NodeDevice[] | undefined;
  #mustVerify = false;
  #working: Promise<void> | undefined;
  /** What an agent before this one left, until it is known which devices there are. */
  #inherited: readonly DeviceHook[] | undefined;
  /** The programs of that agent. */
  readonly #older: ReadonlySet<number>;
  /** What somebody has detached, until it is seen to stand again; by interface index. */
  readonly #detached = new Map<number, string>();
  readonly #reattached = new Map<string, Reattached>();

  constructor(parts: DeviceServerParts) {
    this.#parts = parts;
    this.#server = new DeviceServer(parts);
    this.#inherited = pinnedHooks(parts.pins);
    this.#older = new Set(this.#inherited.flatMap((hook) => this.#server.programAt(hook) ?? []));
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
      if (isDeepStrictEqual(before, device) && !(isVerified && !this.#stands(device))) {
        if (isVerified) this.#detached.delete(device.index);
        continue;
      }
      const missing = this.#missingAt(device.index);
      await this.#serve(device, before);
      this.#note(device, missing);
      if (this.#wanted === wanted) continue;
      this.#mustVerify ||= isVerified;
      return;
    }
  }

  /** See `ForeignPrograms`. */
  foreignAt(ifindex: number, filters: readonly Filter[]): ForeignPrograms {
    const own = new Set([...this.#older, ...(this.#parts.programs?.ids ?? [])]);
    return this.#parts.hooks.kind === "tcx"
      ? foreignOfTcx(ifindex, own, filters)
      : foreignOfNetlink(filters);
  }

  report(): readonly DeviceReport[] {
    return (this.#wanted ?? [])
      .map((device) => this.#reportOf(device, this.#served.get(device.index)))
      .toSorted((a, b) => a.index - b.index);
  }

  /** What programs are missing at devices where they were, or were at the last look (PF-06). */
  detached(): readonly string[] {
    return [...this.#detached.values()];
  }

  /** Since the start; devices that have gone included. */
  reattached(): readonly Reattached[] {
    return [...this.#reattached.values()];
  }

  #reportOf(device: NodeDevice, served: Served | undefined): DeviceReport {
    const { name, index, role, roleReason, path, pathReason, ports } = device;
    const hook = ports === undefined ? this.#parts.hooks.kind : "ports";
    const isServed = served !== undefined && served.problem === undefined;
    return {
      ...{ name, index, role, roleReason, path, pathReason },
      hook: isServed ? hook : null,
      problem: served?.problem?.message ?? null,
    };
  }

  #stands(device: NodeDevice): boolean {
    if (this.#served.get(device.index)?.problem !== undefined) return false;
    if (device.ports !== undefined) return this.#portsProblem(device.ports) === undefined;
    return hooksOf(device).every((hook) => this.#server.programAt(hook) !== undefined);
  }

  async #serve(device: NodeDevice, before: NodeDevice | undefined): Promise<void> {
    const obstacle = device.ports && this.#portsProblem(device.ports);
    const problem = await this.#server.serve(device, before, obstacle);
    this.#served.set(device.index, { device, problem });
  }

  /** Programs that somebody has detached; none where the device could not be served anyway. */
  #missingAt(index: number): readonly DeviceProgram[] {
    const served = this.#served.get(index);
    if (served === undefined) return [];
    if (served.problem !== undefined && !this.#detached.has(index)) return [];
    return hooksOf(served.device)
      .filter((hook) => this.#server.programAt(hook) === undefined)
      .map(({ program }) => program);
  }

  /** Nobody has detached what went with its device, as those of pods do all the time. */
  #note({ index, name }: NodeDevice, missing: readonly DeviceProgram[]): void {
    const problem = this.#served.get(index)?.problem;
    if (missing.length === 0 || problem?.isGone) return;
    const trouble =
      problem === undefined ? "" : `, which cannot be attached again: ${problem.message}`;
    this.#detached.set(index, `${name} has lost ${missing.join(" and ")}${trouble}`);
    if (problem !== undefined) return;
    for (const program of missing) {
      const key = `${program} ${name}`;
      const count = (this.#reattached.get(key)?.count ?? 0) + 1;
      this.#reattached.set(key, { program, device: name, count });
    }
  }

  async #drop(index: number): Promise<void> {
    this.#served.delete(index);
    this.#detached.delete(index);
    await this.#server.drop(index);
  }

  #portsProblem(ports: readonly number[]): string | undefined {
    const bare = ports.find((port) => {
      const served = this.#served.get(port);
      return served === undefined || served.problem !== undefined;
    });
    return bare === undefined ? undefined : `its port ${bare} does not carry our program`;
  }

  async #dropInherited(wanted: ReadonlySet<number>): Promise<void> {
    if (this.#inherited === undefined) return;
    const known = [
      ...this.#inherited.map(({ ifindex }) => ifindex),
      ...this.#parts.maps.devices.keys(),
    ];
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
