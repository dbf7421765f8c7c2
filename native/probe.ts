import { addon, type Handle } from "./addon.ts";
import { BpfError } from "./errors.ts";
import { createMap } from "./map.ts";
import {
  type AttachType,
  attachTypeNumber,
  MAP_FLAGS,
  type MapType,
  mapTypeNumber,
  type ProgramType,
  programTypeNumber,
} from "./names.ts";

/** Whether this kernel has a feature. Inconclusive: it could not be asked, for want of privileges. */
export type Probe =
  | { readonly state: "yes" }
  | { readonly state: "unsupported"; readonly reason: string }
  | { readonly state: "inconclusive"; readonly reason: string };

/** Helpers by their number in linux/bpf.h (BPF_FUNC_*). */
export const HELPERS = {
  get_netns_cookie: 122,
  sk_storage_get: 107,
  sk_storage_delete: 108,
  seq_write: 127,
  ringbuf_output: 130,
  ringbuf_reserve: 131,
  redirect_neigh: 152,
  redirect_peer: 155,
  ktime_get_coarse_ns: 160,
  loop: 181,
  get_retval: 186,
  set_retval: 187,
} as const;
export type HelperName = keyof typeof HELPERS;

const YES: Probe = { state: "yes" };
const EPERM = 1;
const EBADF = 9;
const EACCES = 13;
const ENODEV = 19;
const EINVAL = 22;
/** An interface index that no kernel gives. */
const NO_INTERFACE = 0x7fff_ffff;

const unsupported = (reason: string): Probe => ({ state: "unsupported", reason });
const inconclusive = (reason: string): Probe => ({ state: "inconclusive", reason });

/** r0 = 1; exit */
const RETURN_1 = Uint8Array.of(0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);
/** r1 = 0 to r5 = 0 */
const ZEROS = Uint8Array.from([1, 2, 3, 4, 5].flatMap((to) => [0xb7, to, 0, 0, 0, 0, 0, 0]));
const CALL = 0x85;

/** Types that the kernel loads for a stated attach type only, and one that will do. */
const SOME_ATTACH_TYPE: Partial<Record<ProgramType, AttachType>> = {
  cgroup_sock_addr: "cgroup_inet4_connect",
  cgroup_sockopt: "cgroup_getsockopt",
  sk_lookup: "sk_lookup",
};

/** Maps are 4 bytes to 4 bytes, save where that makes no map of that type. */
const SHAPES: Partial<Record<MapType, { keySize: number; flags?: number }>> = {
  lpm_trie: { keySize: 8, flags: MAP_FLAGS.noPreallocation },
  queue: { keySize: 0 },
  stack: { keySize: 0 },
};

/** Asks by trying; leaves nothing behind. */
export const probe = {
  programType: (type: ProgramType): Probe =>
    answered(`program type ${type}`, addon.probeProgramType(programTypeNumber(type))),

  mapType: (type: MapType): Probe =>
    answered(`map type ${type}`, addon.probeMapType(mapTypeNumber(type))),

  /**
   * Whether programs of that type may call the helper, given by name or number. Types that attach
   * to a function of the kernel (tracing, lsm, ext) cannot be asked.
   */
  helper: (programType: ProgramType, helper: HelperName | number): Probe =>
    mayCall(programType, typeof helper === "number" ? helper : HELPERS[helper]),

  /** Whether a program can be loaded for that attach type. */
  attachType: (programType: ProgramType, attachType: AttachType): Probe =>
    loads(`attach type ${attachType}`, programType, attachTypeNumber(attachType)),

  /** TCX links (kernel 6.6). */
  tcx: (): Probe =>
    linkTo("TCX", "sched_cls", NO_INTERFACE, "tcx_ingress", ENODEV, "needs kernel 6.6"),

  /** Links to cgroups (kernel 5.7). */
  cgroupLink: (): Probe =>
    linkTo("cgroup links", "cgroup_skb", -1, "cgroup_inet_ingress", EBADF, "needs kernel 5.7"),

  /** Batch forms of the map calls, for that type of map. */
  mapBatch(type: MapType): Probe {
    return withMap(
      type,
      0,
      (handle) => {
        const count = Uint32Array.of(1);
        const position = new Uint8Array(8);
        const key = new Uint8Array(8);
        const value = new Uint8Array(8 * Math.max(1, addon.possibleCpus()));
        const result = addon.mapLookupBatch(handle, undefined, position, key, value, count);
        const known = result === 0 || result === -2;
        return known ? YES : refused(`batch operations on ${type}`, -result, "not in this kernel");
      },
      (errno) => inconclusive(`no map of type ${type} to try with: errno ${errno}`),
    );
  },

  /** Arrays in memory that user space can map (kernel 5.5). */
  mmapableArray: (): Probe =>
    withMap(
      "array",
      MAP_FLAGS.mmapable,
      () => YES,
      (errno) => refused("arrays that can be mapped", errno, "needs kernel 5.5"),
    ),
} as const;

/** libbpf's own answers: 1, 0, or -errno where it could not tell. */
function answered(what: string, result: number): Probe {
  if (result === 1) return YES;
  if (result === 0) return unsupported(`this kernel has no ${what}`);
  return inconclusive(`${what}: errno ${-result}`);
}

function refused(what: string, errno: number, need: string): Probe {
  if (errno === EPERM || errno === EACCES) return inconclusive(`${what}: not permitted`);
  return unsupported(`${what}: errno ${errno} (${need})`);
}

function loads(what: string, programType: ProgramType, attachType: number): Probe {
  const program = addon.programLoad(programTypeNumber(programType), attachType, RETURN_1);
  if (typeof program === "number") return refused(what, -program, "not in this kernel");
  program.close();
  return YES;
}

/**
 * Calls the helper with zeros, and then with registers as they are. The verifier says EINVAL of a
 * helper that is not there, and EACCES, or nothing, of one that is: unless it has more to say
 * against those arguments (7.2 of bpf_set_retval with a pointer).
 */
function mayCall(programType: ProgramType, helper: number): Probe {
  const what = `helper ${helper} in ${programType}`;
  for (const registers of [ZEROS, new Uint8Array(0)]) {
    const program = loadCall(programType, registers, helper);
    if (typeof program !== "number") program.close();
    if (typeof program !== "number" || program === -EACCES) return YES;
    if (program !== -EINVAL) return inconclusive(`${what}: errno ${-program}`);
  }
  return unsupported(`this kernel has no ${what}`);
}

function loadCall(programType: ProgramType, registers: Uint8Array, helper: number) {
  const call = new Uint8Array(8);
  call[0] = CALL;
  new DataView(call.buffer).setInt32(4, helper, true);
  const attachType = SOME_ATTACH_TYPE[programType];
  return addon.programLoad(
    programTypeNumber(programType),
    attachType === undefined ? 0 : attachTypeNumber(attachType),
    Buffer.concat([registers, call, RETURN_1]),
  );
}

/** Links to what is not there: a kernel that knows the kind of link complains of that. */
function linkTo(
  what: string,
  programType: ProgramType,
  target: number,
  attachType: AttachType,
  complaint: number,
  need: string,
): Probe {
  const program = addon.programLoad(programTypeNumber(programType), 0, RETURN_1);
  if (typeof program === "number") return inconclusive(`${what}: no program to try with`);
  const link = addon.linkCreate(program, target, attachTypeNumber(attachType));
  program.close();
  if (typeof link !== "number") {
    link.close();
    return YES;
  }
  return link === -complaint ? YES : refused(what, -link, need);
}

function withMap(
  type: MapType,
  flags: number,
  ask: (handle: Handle) => Probe,
  otherwise: (errno: number) => Probe,
): Probe {
  try {
    using map = createMap({
      type,
      keySize: 4,
      valueSize: 4,
      maxEntries: 1,
      flags,
      ...SHAPES[type],
    });
    return ask(map.handle);
  } catch (error) {
    if (error instanceof BpfError) return otherwise(error.errno);
    throw error;
  }
}
