import { addon } from "./addon.ts";
import { checkAttached, withCgroup } from "./cgroup.ts";
import { ArgumentError, check } from "./errors.ts";
import { type AttachType, attachTypeNumber } from "./names.ts";
import { type BpfProgram, programHandle } from "./program.ts";

/** BPF_F_ALLOW_OVERRIDE, BPF_F_ALLOW_MULTI, or neither. */
const SHARING_FLAGS = { none: 0, override: 1, multi: 2 } as const;

/**
 * What a program leaves to others at its hook: "none": nothing, neither here nor in cgroups below;
 * "override": cgroups below may run their own in its place; "multi": all of them run.
 */
export type Sharing = keyof typeof SHARING_FLAGS;

/**
 * Attaches to a cgroup2 directory by BPF_PROG_ATTACH (kernel 4.10, "multi" 4.15), as programs did
 * before links: it stays until it is detached or the cgroup is gone, whoever has closed what.
 * Prefer `attachCgroup`, which kernels from 5.7 have and which is always "multi".
 * @throws {BpfError} isPermission, also where a program there or above allows no others.
 */
export function rawAttachProgram(
  program: BpfProgram,
  cgroup: string | number,
  attachType: AttachType,
  sharing: Sharing = "none",
): void {
  const handle = programHandle(program);
  const type = attachTypeNumber(attachType);
  if (!Object.hasOwn(SHARING_FLAGS, sharing)) {
    throw new ArgumentError("a program's sharing is none, override or multi");
  }
  withCgroup("rawAttachProgram", cgroup, (fd) =>
    checkAttached(
      "rawAttachProgram",
      program.name,
      addon.programAttach(handle, fd, type, SHARING_FLAGS[sharing]),
    ),
  );
}

/**
 * Undoes `rawAttachProgram`. Unless the hook is shared by "multi" the kernel does not look at the
 * program: the one that is attached goes.
 * @throws {BpfError} isNotFound, where it, or unless "multi" any, is not attached without a link.
 */
export function rawDetachProgram(
  program: BpfProgram,
  cgroup: string | number,
  attachType: AttachType,
): void {
  const handle = programHandle(program);
  const type = attachTypeNumber(attachType);
  withCgroup("rawDetachProgram", cgroup, (fd) =>
    check("rawDetachProgram", program.name, addon.programDetach(handle, fd, type)),
  );
}
