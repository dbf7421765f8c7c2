export type { Handle } from "./addon.ts";
export type { MapBatch } from "./batch.ts";
export { MalformedError } from "./btf.ts";
export { type Codec, codecFromBtf } from "./codec.ts";
export * from "./errors.ts";
export type { GlobalValue } from "./global.ts";
export { readIterator, streamIterator } from "./iterator.ts";
export {
  inNetns,
  isBpffs,
  type KernelVersion,
  kernelVersion,
  mountBpffs,
  netnsCookie,
  rcuGracePeriod,
  releaseFreeMemory,
} from "./kernel.ts";
export {
  attachCgroup,
  attachedPrograms,
  attachIter,
  attachTcx,
  attachTcxAsync,
  BpfLink,
  type Link,
  type LinkInfo,
  type TcDirection,
} from "./link.ts";
export type { LoadedObject } from "./loaded.ts";
export {
  BpfMap,
  createMap,
  type MapInfo,
  type MapOptions,
  possibleCpus,
  type UpdateMode,
} from "./map.ts";
export {
  type AttachType,
  type LinkType,
  MAP_FLAGS,
  type MapType,
  type ProgramType,
} from "./names.ts";
export type { BpfObject } from "./object.ts";
export { type OpenObjectOptions, openObject } from "./open_object.ts";
export type { OpenPinnedOptions } from "./pin.ts";
export { HELPERS, type HelperName, type Probe, probe } from "./probe.ts";
export {
  BpfProgram,
  type ProgramInfo,
  type TestRunOptions,
  type TestRunResult,
} from "./program.ts";
export { rawAttachProgram, rawDetachProgram, type Sharing } from "./raw_attach.ts";
export { openRingBuffer, type RingBuffer } from "./ring_buffer.ts";
export type { MapSpec, ProgramSpec } from "./spec.ts";
export {
  type AttachTcOptions,
  attachTcNetlink,
  findTcNetlink,
  type TcLink,
  type TcPlace,
} from "./tc_link.ts";
export { perCpu, type TypedMap, typedMap } from "./typed_map.ts";
