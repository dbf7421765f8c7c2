import { existsSync, mkdirSync, rmdirSync } from "node:fs";
import { attachTcNetlink, type BpfProgram, findTcNetlink, type TcPlace } from "libbpf-ts";
import { DatapathError } from "./datapath_error.ts";
import type { DeviceHook, DeviceHooks } from "./device_hook.ts";
import { devicePrograms } from "./device_programs.ts";
import type { Pins } from "./pins.ts";

/** Ours alone; others mostly use the lowest priorities, which the kernel runs first. */
export const FILTER_PRIORITY = 0x736c;
const HANDLE = 0x5c1ce;

/**
 * By filters of the clsact qdisc, for kernels without TCX. They need no pin to stay; an empty
 * directory among the pins says that the filter in our place is this agent's.
 */
export function netlinkHooks(pins: Pins): DeviceHooks {
  const markOf = ({ program, ifindex }: DeviceHook) => pins.device(program, ifindex);
  return {
    kind: "netlink",
    attach: async (hook, program) => attach(hook, program, markOf(hook)),
    programAt: (hook) =>
      existsSync(markOf(hook)) ? findTcNetlink(placeOf(hook))?.info.programId : undefined,
    detach: async (hook) => detachNetlink(hook, markOf(hook)),
  };
}

function attach(hook: DeviceHook, program: BpfProgram, mark: string): void {
  const place = placeOf(hook);
  const stands = findTcNetlink(place) !== undefined;
  if (stands && !existsSync(mark)) {
    throw new DatapathError(
      "attach",
      "attach programs",
      `interface ${hook.ifindex}`,
      `a filter that is not ours stands at priority ${FILTER_PRIORITY} of its ${place.direction}: "tc filter show" shows it; have its owner remove it`,
    );
  }
  if (!existsSync(mark)) mkdirSync(mark, { mode: 0o700 });
  attachTcNetlink(program, { ...place, replace: stands }).close();
}

const placeOf = ({ program, ifindex }: DeviceHook): TcPlace => ({
  ifindex,
  direction: devicePrograms[program],
  priority: FILTER_PRIORITY,
  handle: HANDLE,
});

/** Removes the filter and leaves the qdisc, which others may have come to use. */
export function detachNetlink(hook: DeviceHook, mark: string): void {
  if (!existsSync(mark)) return;
  findTcNetlink(placeOf(hook))?.detach();
  rmdirSync(mark);
}
