import { existsSync, unlinkSync } from "node:fs";
import { attachTcx, BpfLink, type BpfProgram } from "libbpf-ts";
import type { DeviceHook, DeviceHooks } from "./device_hook.ts";
import { devicePrograms } from "./device_programs.ts";
import type { Pins } from "./pins.ts";

/** By pinned TCX links (kernel 6.6), after the programs that stand at the device already. */
export function tcxHooks(pins: Pins): DeviceHooks {
  const pinOf = ({ program, ifindex }: DeviceHook) => pins.device(program, ifindex);
  return {
    kind: "tcx",
    attach(hook, program) {
      if (update(pinOf(hook), hook, program)) return;
      detachTcx(pinOf(hook));
      using link = attachTcx(program, hook.ifindex, devicePrograms[hook.program]);
      link.pin(pinOf(hook));
    },
    isAttached: (hook) => existsSync(pinOf(hook)) && standsAt(pinOf(hook), hook),
    detach: (hook) => detachTcx(pinOf(hook)),
  };
}

/** False where nothing stands there that could be updated. */
function update(pin: string, { ifindex }: DeviceHook, program: BpfProgram): boolean {
  if (!existsSync(pin)) return false;
  using link = BpfLink.openPinned(pin);
  // The link of a device that has gone says 0, whoever has its number now.
  if (link.info.ifindex !== ifindex) return false;
  link.update(program);
  return true;
}

function standsAt(pin: string, { ifindex }: DeviceHook): boolean {
  using link = BpfLink.openPinned(pin);
  return link.info.ifindex === ifindex;
}

/** Detached for everyone: a process that still holds the link must not keep the program at work. */
export function detachTcx(pin: string): void {
  if (!existsSync(pin)) return;
  using link = BpfLink.openPinned(pin);
  link.detach();
  unlinkSync(pin);
}
