import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** A descriptor that the addon owns. Passing anything else where one is due is a TypeError. */
export interface Handle {
  /** -1 once closed. */
  readonly fd: number;
  close(): void;
}

/** A result, or a negative errno. */
export type OrErrno<T> = T | number;

/** The addon's own order (enum Kind). */
export const KIND = { map: 0, program: 1, link: 2 } as const;

export interface NativeMapInfo {
  readonly id: number;
  readonly type: number;
  readonly name: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

export interface NativeProgramInfo {
  readonly id: number;
  readonly type: number;
  readonly name: string;
  readonly tag: Uint8Array;
  readonly loadedAtNs: bigint;
  readonly runTimeNs: bigint;
  readonly runCount: bigint;
  readonly instructions: number;
  readonly mapCount: number;
}

export interface NativeLinkInfo {
  readonly id: number;
  readonly type: number;
  readonly programId: number;
  readonly detail: Uint8Array;
}

export interface NativeObject {
  readonly native: "object";
}

export interface NativeFailure {
  readonly error: number;
  readonly messages: string;
  readonly program?: string;
  readonly verifierLog?: string;
}

export interface NativeDescription {
  readonly maps: readonly NativeMapSpec[];
  readonly programs: readonly NativeProgramSpec[];
  readonly btf?: Uint8Array;
}

export interface NativeMapSpec {
  readonly name: string;
  readonly internal: boolean;
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly keyType: number;
  readonly valueType: number;
}

export interface NativeProgramSpec {
  readonly name: string;
  readonly section: string;
  readonly type: number;
  readonly attachType: number;
  readonly autoload: boolean;
  readonly instructions: number;
}

export interface NativeLoaded {
  /** In the order of the description; negative where `autocreate` was off. */
  readonly maps: readonly OrErrno<Handle>[];
  readonly programs: Readonly<Record<string, OrErrno<Handle>>>;
}

export interface NativeTestRun {
  readonly returnValue: number;
  readonly dataSize: number;
  readonly contextSize: number;
  readonly durationNs: number;
}

export interface NativeFilter {
  readonly handle: number;
  readonly priority: number;
  readonly programId: number;
}

export interface NativePoll {
  close(): void;
  ref(): void;
  unref(): void;
}

export interface NativeRingBuffer {
  readonly fd: number;
  take(): OrErrno<readonly Uint8Array[]>;
  close(): void;
}

/** src/*.cc, one system call each. */
interface Addon {
  mapCreate(
    type: number,
    name: string,
    keySize: number,
    valueSize: number,
    maxEntries: number,
    flags: number,
    inner: Handle | undefined,
  ): OrErrno<Handle>;
  mapInfo(map: Handle): OrErrno<NativeMapInfo>;
  mapLookup(map: Handle, key: Uint8Array, value: Uint8Array): number;
  mapUpdate(map: Handle, key: Uint8Array, value: Uint8Array, flags: number): number;
  mapDelete(map: Handle, key: Uint8Array): number;
  mapLookupAndDelete(map: Handle, key: Uint8Array, value: Uint8Array): number;
  mapNextKey(map: Handle, key: Uint8Array | undefined, next: Uint8Array): number;
  mapLookupBatch(
    map: Handle,
    position: Uint8Array | undefined,
    next: Uint8Array,
    keys: Uint8Array,
    values: Uint8Array,
    count: Uint32Array,
  ): number;
  mapUpdateBatch(
    map: Handle,
    keys: Uint8Array,
    values: Uint8Array,
    count: Uint32Array,
    flags: number,
  ): number;
  mapDeleteBatch(map: Handle, keys: Uint8Array, count: Uint32Array): number;
  mapFreeze(map: Handle): number;
  mapMmap(map: Handle): OrErrno<ArrayBuffer>;
  possibleCpus(): number;
  releaseFreeMemory(): boolean;
  objectOpen(
    bytes: Uint8Array,
    name: string,
    btfPath: string | undefined,
  ): NativeObject | NativeFailure;
  objectDescribe(object: NativeObject): OrErrno<NativeDescription>;
  objectSetMaxEntries(object: NativeObject, map: number, count: number): number;
  objectSetAutocreate(object: NativeObject, map: number, on: boolean): number;
  objectReuseMap(object: NativeObject, map: number, handle: Handle): number;
  objectSetInnerMap(object: NativeObject, map: number, handle: Handle): number;
  objectInitialValue(object: NativeObject, map: number): OrErrno<Uint8Array>;
  objectSetInitialValue(object: NativeObject, map: number, bytes: Uint8Array): number;
  objectSetAutoload(object: NativeObject, program: string, on: boolean): number;
  objectSetAttachType(object: NativeObject, program: string, type: number): number;
  objectLoad(object: NativeObject): NativeLoaded | NativeFailure;
  objectClose(object: NativeObject): void;
  programLoad(type: number, attachType: number, instructions: Uint8Array): OrErrno<Handle>;
  programInfo(program: Handle): OrErrno<NativeProgramInfo>;
  programTestRun(
    program: Handle,
    data: Uint8Array | undefined,
    context: Uint8Array | undefined,
    dataOut: Uint8Array | undefined,
    contextOut: Uint8Array | undefined,
    repeat: number,
    flags: number,
  ): OrErrno<NativeTestRun>;
  programAttach(program: Handle, cgroup: number, attachType: number, flags: number): number;
  programDetach(program: Handle, cgroup: number, attachType: number): number;
  programQuery(target: number, attachType: number): OrErrno<number[]>;
  pin(handle: Handle, kind: number, path: string): number;
  openPinned(kind: number, path: string, flags: number): OrErrno<Handle>;
  openById(kind: number, id: number): OrErrno<Handle>;
  probeProgramType(type: number): number;
  probeMapType(type: number): number;
  linkCreate(program: Handle, target: number, attachType: number): OrErrno<Handle>;
  linkCreateOnPool(
    program: Handle,
    target: number,
    attachType: number,
  ): OrErrno<Promise<OrErrno<Handle>>>;
  linkCreateIterator(program: Handle, map: Handle | undefined): OrErrno<Handle>;
  linkUpdate(link: Handle, program: Handle): number;
  linkDetach(link: Handle): number;
  linkDetachOnPool(link: Handle): OrErrno<Promise<number>>;
  linkInfo(link: Handle): OrErrno<NativeLinkInfo>;
  iteratorCreate(link: Handle): OrErrno<Handle>;
  iteratorRead(iterator: Handle, into: Uint8Array): number;
  tcCreateHook(ifindex: number, attachPoint: number): number;
  tcAttach(
    ifindex: number,
    attachPoint: number,
    handle: number,
    priority: number,
    program: Handle,
    replace: boolean,
  ): OrErrno<NativeFilter>;
  tcQuery(
    ifindex: number,
    attachPoint: number,
    handle: number,
    priority: number,
  ): OrErrno<NativeFilter>;
  tcDetach(ifindex: number, attachPoint: number, handle: number, priority: number): number;
  Poll: new (fd: number, onReadable: () => void) => NativePoll;
  RingBuffer: new (map: Handle) => NativeRingBuffer;
  netlinkOpen(protocol: number): OrErrno<Handle>;
  netlinkJoin(socket: Handle, group: number): number;
  netlinkSetReceiveBuffer(socket: Handle, bytes: number): number;
  netlinkSend(socket: Handle, bytes: Uint8Array): number;
  netlinkReceive(socket: Handle, into: Uint8Array): number;
  mountBpffs(path: string): number;
  netnsCookie(): OrErrno<bigint>;
  membarrierGlobal(): OrErrno<Promise<number>>;
  inNetns<T>(path: string, callback: () => T): OrErrno<readonly [T]>;
}

/** Beside this file, or beside the bundle that this file became part of. */
const PLACES = ["./build/libbpf_ts.node", "./libbpf_ts.node"];

function load(): Addon {
  const places = PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const configured = process.env.LIBBPF_TS_ADDON;
  const path = configured ?? places.find((place) => existsSync(place));
  if (path === undefined) {
    throw new Error(`libbpf-ts: no addon at ${places.join(" or ")}: build it by make -C native`);
  }
  return createRequire(import.meta.url)(path) as Addon;
}

export const addon: Addon = load();
