import { addon, type NativeFilter } from "./addon.ts";
import { ArgumentError, BpfError, check } from "./errors.ts";
import type { Link, LinkInfo, TcDirection } from "./link.ts";
import { type BpfProgram, programHandle } from "./program.ts";

/** Where a filter stands: there is one at most for each of these. */
export interface TcPlace {
  readonly ifindex: number;
  readonly direction: TcDirection;
  /** 1 to 65535; the kernel runs lower ones first. */
  readonly priority: number;
  /** 1 and above; names the filter within its priority. */
  readonly handle: number;
}

export interface AttachTcOptions extends TcPlace {
  /** Take the place of the filter that is there, instead of EEXIST. For one's own place only. */
  readonly replace?: boolean;
}

const ENOENT = 2;
const EINVAL = 22;
const EEXIST = 17;
const EBUSY = 16;
const EOPNOTSUPP = 95;
/** enum bpf_tc_attach_point */
const ATTACH_POINTS = { ingress: 1, egress: 2 } as const;

/**
 * Attaches by a direct-action filter of the clsact qdisc, for kernels without TCX. Makes the qdisc
 * where there is none, and never removes it: other programs' filters may have come since.
 */
export function attachTcNetlink(program: BpfProgram, options: AttachTcOptions): TcLink {
  const place = checkPlace(options);
  const made = addon.tcCreateHook(place.ifindex, ATTACH_POINTS[place.direction]);
  if (made !== -EEXIST) check("attachTcNetlink", describe(place), made);
  const filter = attach(place, program, options.replace === true);
  return new TcLink(place, filter.programId);
}

/** The filter that stands at a place, e.g. one that an earlier process attached. */
export function findTcNetlink(options: TcPlace): TcLink | undefined {
  const place = checkPlace(options);
  const filter = query(place);
  return typeof filter === "number" ? undefined : new TcLink(place, filter.programId);
}

/** A program attached by `attachTcNetlink`. It outlives this object and this process by itself. */
export class TcLink implements Link {
  readonly place: TcPlace;
  #programId: number;
  #closed = false;

  /** See `attachTcNetlink`, `findTcNetlink`. */
  constructor(place: TcPlace, programId: number) {
    this.place = place;
    this.#programId = programId;
  }

  get info(): LinkInfo {
    this.#checkOpen("link.info");
    const { ifindex } = this.place;
    const filter = query(this.place);
    const programId = typeof filter === "number" ? 0 : filter.programId;
    return { kind: "tc", id: 0, programId, ifindex };
  }

  update(program: BpfProgram): void {
    this.#checkOpen("link.update");
    this.#programId = attach(this.place, program, true).programId;
  }

  /** The kernel has no pins for filters; `findTcNetlink` gets one back. */
  pin(path: string): void {
    throw new BpfError({ operation: "pin", target: path, errno: EOPNOTSUPP });
  }

  unpin(): void {}

  /**
   * Removes the filter, and nothing else; idempotent.
   * @throws {BpfError} EBUSY where another program stands in its place by now.
   */
  detach(): void {
    this.#checkOpen("link.detach");
    const filter = query(this.place);
    if (typeof filter === "number") return;
    const { ifindex, direction, priority, handle } = this.place;
    const target = describe(this.place);
    if (filter.programId !== this.#programId) {
      const reason = `program ${filter.programId} stands there, not ${this.#programId}`;
      throw new BpfError({ operation: "link.detach", target, errno: EBUSY, reason });
    }
    const result = addon.tcDetach(ifindex, ATTACH_POINTS[direction], handle, priority);
    check("link.detach", target, result);
  }

  /** Forgets the filter, which stays attached. */
  close(): void {
    this.#closed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #checkOpen(operation: string): void {
    if (this.#closed) throw new BpfError({ operation, target: describe(this.place), errno: 9 });
  }
}

function attach(place: TcPlace, program: BpfProgram, replace: boolean): NativeFilter {
  const { ifindex, direction, priority, handle } = place;
  const point = ATTACH_POINTS[direction];
  const of = programHandle(program);
  return check(
    "attachTcNetlink",
    `${program.name} to ${describe(place)}`,
    addon.tcAttach(ifindex, point, handle, priority, of, replace),
  );
}

/** No filter, no qdisc and no such interface are all one: nothing of ours is there. */
function query({ ifindex, direction, priority, handle }: TcPlace): NativeFilter | number {
  const filter = addon.tcQuery(ifindex, ATTACH_POINTS[direction], handle, priority);
  if (filter === -ENOENT || filter === -EINVAL || filter === -19) return filter;
  return check<NativeFilter>("link.info", `interface ${ifindex} ${direction}`, filter);
}

function describe({ ifindex, direction, priority }: TcPlace): string {
  return `interface ${ifindex} ${direction} priority ${priority}`;
}

function checkPlace({ ifindex, direction, priority, handle }: TcPlace): TcPlace {
  if (ATTACH_POINTS[direction] === undefined) {
    throw new ArgumentError("a TC direction is ingress or egress");
  }
  const integers = [ifindex, priority, handle].every((number) => Number.isInteger(number));
  if (!integers || ifindex < 1 || priority < 1 || priority > 0xffff || handle < 1) {
    throw new ArgumentError("a TC filter's interface, priority and handle are 1 or more");
  }
  return { ifindex, direction, priority, handle };
}
