import type { ServiceMaps } from "../datapath/maps.ts";
import { type Slice, unpackSlice } from "../datapath/slice.ts";
import type { SliceLayout } from "./slice_layout.ts";

/**
 * Whether the slices of a service give each record the slots that it should have: the very same
 * ones where they are ordered, and otherwise as many.
 */
export function slotsMatch(
  maps: ServiceMaps,
  service: number,
  layout: SliceLayout,
  records: readonly (number | undefined)[],
  ordered: boolean,
): boolean {
  const matches = (word: bigint, { offset, count }: Slice): boolean => {
    const stands = unpackSlice(word);
    if (stands.count !== count) return false;
    const slots = maps.slots.subarray(stands.offset, stands.offset + count);
    const wanted = new Uint32Array(count);
    for (let at = 0; at < count; at++) {
      wanted[at] = records[layout.positions[offset + at] ?? -1] ?? 0;
    }
    if (!ordered) wanted.sort();
    const held = ordered ? slots : slots.toSorted();
    return wanted.every((index, at) => held[at] === index);
  };
  const { services } = maps;
  return (
    matches(services.cluster(service), layout.cluster) &&
    matches(services.local(service), layout.local)
  );
}
