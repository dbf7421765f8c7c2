import { attachedPrograms } from "libbpf-ts";
import type { Filter } from "../network/filter.ts";
import type { ForeignPrograms } from "../network/surroundings.ts";
import { FILTER_PRIORITY } from "./device_netlink.ts";

/** Where ours are attached by TCX, which runs before all filters. `own` are our programs' ids. */
export function foreignOfTcx(
  ifindex: number,
  own: ReadonlySet<number>,
  filters: readonly Filter[],
): ForeignPrograms {
  const ingress = idsAt(ifindex, "tcx_ingress");
  const last = ingress.findLastIndex((id) => own.has(id));
  const egress = idsAt(ifindex, "tcx_egress").some((id) => !own.has(id));
  return {
    // Ours are not there yet: they will be the last.
    ingress: (last >= 0 && last < ingress.length - 1) || hasAny(filters, "ingress"),
    egress: egress || hasAny(filters, "egress"),
  };
}

export const foreignOfNetlink = (filters: readonly Filter[]): ForeignPrograms => ({
  ingress: filters.some((it) => it.direction === "ingress" && it.priority > FILTER_PRIORITY),
  egress: filters.some((it) => it.direction === "egress" && it.priority !== FILTER_PRIORITY),
});

const hasAny = (filters: readonly Filter[], direction: Filter["direction"]): boolean =>
  filters.some((filter) => filter.direction === direction);

/** None where the device has just gone. */
function idsAt(ifindex: number, hook: "tcx_ingress" | "tcx_egress"): readonly number[] {
  try {
    return attachedPrograms(ifindex, hook);
  } catch {
    return [];
  }
}
