import { existsSync, unlinkSync } from "node:fs";
import { attachTcxAsync, BpfLink, type BpfProgram } from "libbpf-ts";
import type { DeviceHook, DeviceHooks } from "./device_hook.ts";
import { devicePrograms } from "./device_programs.ts";
import type { Pins } from "./pins.ts";

/** By pinned TCX links (kernel 6.6), after the programs that stand at the device already. */
export function tcxHooks(pins: Pins): DeviceHooks {
  const pinOf = ({ program, ifindex }: DeviceHook) => pins.device(program, ifindex);
  return {
    kind: "tcx",
    async attach(hook, program) {
      const pin = pinOf(hook);
      if (update(pin, hook, program)) return;
      // Of a device that has gone, here at least: a link that nobody holds is detached.
      if (existsSync(pin)) unlinkSync(pin);
      const { ifindex } = hook;
      using link = await attachTcxAsync(program, ifindex, devicePrograms[hook.program]);
      link.pin(pin);
    },
    programAt: (hook) => programAt(pinOf(hook), hook),
    detach: (hook) => detach(pinOf(hook)),
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

function programAt(pin: string, { ifindex }: DeviceHook): number | undefined {
  if (!existsSync(pin)) return undefined;
  using link = BpfLink.openPinned(pin);
  const { info } = link;
  return info.ifindex === ifindex ? info.programId : undefined;
}

/**
 * Detached for everyone: a process that still holds the link must not keep the program at work. The
 * link of a device that has gone is so already.
 */
async function detach(pin: string): Promise<void> {
  if (!existsSync(pin)) return;
  using link = BpfLink.openPinned(pin);
  if (link.info.ifindex !== 0) await link.detachAsync();
  unlinkSync(pin);
}
