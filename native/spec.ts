import type { NativeMapSpec, NativeProgramSpec } from "./addon.ts";
import {
  type AttachType,
  attachTypeName,
  type MapType,
  mapTypeName,
  type OrUnknown,
  type ProgramType,
  programTypeName,
} from "./names.ts";

/** A map as an object declares it. */
export interface MapSpec {
  readonly name: string;
  readonly type: OrUnknown<MapType>;
  readonly keySize: number;
  readonly valueSize: number;
  /** 0: to be set before the load, or made by libbpf (ring buffers excepted). */
  readonly maxEntries: number;
  readonly flags: number;
  /** BTF type ids in `BpfObject.btf`; 0 where the declaration gives sizes only. */
  readonly keyType: number;
  readonly valueType: number;
  /** Its place in the object, from 0. */
  readonly index: number;
}

/** A program as an object declares it. */
export interface ProgramSpec {
  readonly name: string;
  readonly section: string;
  readonly type: OrUnknown<ProgramType>;
  readonly attachType: OrUnknown<AttachType>;
  /** False for SEC("?..."). */
  readonly autoload: boolean;
  readonly instructions: number;
}

export function mapSpec(native: NativeMapSpec, index: number): MapSpec {
  const { internal, ...spec } = native;
  return {
    ...spec,
    index,
    name: internal ? sectionName(native.name) : native.name,
    type: mapTypeName(native.type),
  };
}

export function programSpec(native: NativeProgramSpec): ProgramSpec {
  return {
    ...native,
    type: programTypeName(native.type),
    attachType: attachTypeName(native.attachType),
  };
}

/** libbpf names the map of a data section "object.rodata"; a dot is in no other map's name. */
function sectionName(map: string): string {
  const dot = map.startsWith(".") ? 0 : map.lastIndexOf(".");
  return dot < 0 ? map : map.slice(dot);
}
