import { unlinkSync } from "node:fs";
import { addon, type Handle, KIND } from "./addon.ts";
import { checkAttached, withCgroup } from "./cgroup.ts";
import { ArgumentError, check } from "./errors.ts";
import { BpfMap } from "./map.ts";
import {
  type AttachType,
  attachTypeName,
  attachTypeNumber,
  type LinkType,
  linkTypeName,
  type OrUnknown,
} from "./names.ts";
import { openPinned, pin } from "./pin.ts";
import { type BpfProgram, programHandle } from "./program.ts";

export interface LinkInfo {
  readonly kind: OrUnknown<LinkType> | "tc";
  /** 0 for the netlink form of TC, which the kernel does not number. */
  readonly id: number;
  readonly programId: number;
  readonly attachType?: OrUnknown<AttachType>;
  /** TCX and TC; 0 once the interface is gone. */
  readonly ifindex?: number;
  /** Inode of the cgroup2 directory; 0 once that is gone. */
  readonly cgroupId?: bigint;
}

/** A program where it is attached. Every kind of link keeps to this (test/link.test.ts). */
export interface Link {
  readonly info: LinkInfo;
  /** Puts another program in place of the present one, without a moment in which none runs. */
  update(program: BpfProgram): void;
  /** @throws {BpfError} isUnsupported, where this kind of link cannot be pinned. */
  pin(path: string): void;
  /** Takes away the pin that `pin` or `openPinned` named; idempotent. */
  unpin(): void;
  /** Detaches now, whoever else holds the link (kernel 5.9). */
  detach(): void;
  /** Gives this descriptor back. What nothing else holds, a pin for instance, is detached. */
  close(): void;
  [Symbol.dispose](): void;
}

/** A link that the kernel knows as such: cgroup, TCX, iterator. */
export class BpfLink implements Link {
  readonly handle: Handle;
  #pinnedAt: string | undefined;

  constructor(handle: Handle, pinnedAt?: string) {
    this.handle = handle;
    this.#pinnedAt = pinnedAt;
  }

  static openPinned(path: string): BpfLink {
    return openPinned(KIND.link, path, undefined, (handle) => new BpfLink(handle, path));
  }

  get info(): LinkInfo {
    const { id, type, programId, detail } = check(
      "link.info",
      this.#target,
      addon.linkInfo(this.handle),
    );
    const words = new DataView(detail.buffer, detail.byteOffset, detail.byteLength);
    return { kind: linkTypeName(type), id, programId, ...kindDetail(linkTypeName(type), words) };
  }

  update(program: BpfProgram): void {
    const result = addon.linkUpdate(this.handle, programHandle(program));
    check("link.update", this.#target, result);
  }

  pin(path: string): void {
    pin(this.handle, KIND.link, path);
    this.#pinnedAt = path;
  }

  unpin(): void {
    if (this.#pinnedAt === undefined) return;
    try {
      unlinkSync(this.#pinnedAt);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    this.#pinnedAt = undefined;
  }

  detach(): void {
    check("link.detach", this.#target, addon.linkDetach(this.handle));
  }

  /** As `detach`, on the thread pool: see `attachTcxAsync`. */
  async detachAsync(): Promise<void> {
    check("link.detach", this.#target, await addon.linkDetachOnPool(this.handle));
  }

  close(): void {
    this.handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get #target(): string {
    return this.#pinnedAt ?? "link";
  }
}

function kindDetail(kind: string, words: DataView): Partial<LinkInfo> {
  if (kind === "cgroup") {
    return {
      cgroupId: words.getBigUint64(0, true),
      attachType: attachTypeName(words.getUint32(8, true)),
    };
  }
  if (kind === "tcx") {
    return {
      ifindex: words.getUint32(0, true),
      attachType: attachTypeName(words.getUint32(4, true)),
    };
  }
  return kind === "iter" ? { attachType: "trace_iter" } : {};
}

/**
 * Attaches to a cgroup2 directory, by path or by descriptor, beside whatever others have attached
 * there (kernel 5.7).
 * @throws {BpfError} isPermission, also where a program there or above allows no others: one that
 * `rawAttachProgram` attached without "multi".
 */
export function attachCgroup(
  program: BpfProgram,
  cgroup: string | number,
  attachType: AttachType,
): BpfLink {
  const handle = programHandle(program);
  const type = attachTypeNumber(attachType);
  return withCgroup("attachCgroup", cgroup, (fd) => {
    const link = addon.linkCreate(handle, fd, type);
    return new BpfLink(checkAttached("attachCgroup", program.name, link));
  });
}

export type TcDirection = "ingress" | "egress";

/**
 * Attaches to an interface of this network namespace by TCX, after the programs already there
 * (kernel 6.6; EINVAL before: see `probe.tcx` and `attachTcNetlink`).
 */
export function attachTcx(program: BpfProgram, ifindex: number, direction: TcDirection): BpfLink {
  const handle = addon.linkCreate(programHandle(program), ifindex, tcxType(direction));
  return tcxLink(program, ifindex, handle);
}

/**
 * As `attachTcx`, on the thread pool. The kernel attaches under the lock of all network settings and
 * waits for an RCU grace period: tens of milliseconds, and more while namespaces are taken down.
 */
export async function attachTcxAsync(
  program: BpfProgram,
  ifindex: number,
  direction: TcDirection,
): Promise<BpfLink> {
  const type = tcxType(direction);
  const handle = await addon.linkCreateOnPool(programHandle(program), ifindex, type);
  return tcxLink(program, ifindex, handle);
}

function tcxType(direction: TcDirection): number {
  if (direction !== "ingress" && direction !== "egress") {
    throw new ArgumentError("a TC direction is ingress or egress");
  }
  return attachTypeNumber(`tcx_${direction}`);
}

const tcxLink = (program: BpfProgram, ifindex: number, handle: Handle | number): BpfLink =>
  new BpfLink(check("attachTcx", `${program.name} to interface ${ifindex}`, handle));

/** Makes an iterator of an `SEC("iter/...")` program; over one map where the program is for maps. */
export function attachIter(program: BpfProgram, options: { readonly map?: BpfMap } = {}): BpfLink {
  const { map } = options;
  if (map !== undefined && !(map instanceof BpfMap)) throw new ArgumentError("that is no BpfMap");
  const handle = addon.linkCreateIterator(programHandle(program), map?.handle);
  return new BpfLink(check("attachIter", program.name, handle));
}

/**
 * Ids of all programs attached at a cgroup (by descriptor) or, for TCX, an interface (by index), in
 * the order in which they run.
 */
export function attachedPrograms(target: number, attachType: AttachType): number[] {
  const type = attachTypeNumber(attachType);
  return check("attachedPrograms", `${attachType} ${target}`, addon.programQuery(target, type));
}
