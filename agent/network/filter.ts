import { Attributes, MESSAGE_FLAGS, type NetlinkSocket } from "libbpf-ts/netlink";

/** A filter of a device's clsact qdisc (tc(8)), whoever has put it there. */
export interface Filter {
  /** Index of the device. */
  readonly device: number;
  readonly direction: "ingress" | "egress";
  /** Lower ones run first. */
  readonly priority: number;
}

const RTM_GETQDISC = 38;
const RTM_GETTFILTER = 46;
const HEADER_SIZE = 20;
const TCA_KIND = 1;
/** TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), TC_H_MIN_EGRESS */
const PARENTS = { ingress: 0xfffffff2, egress: 0xfffffff3 } as const;

/** Every filter of every clsact qdisc; a request for each qdisc and direction. */
export async function readFilters(netlink: NetlinkSocket): Promise<Filter[]> {
  const qdiscs = await dump(netlink, RTM_GETQDISC, 0, 0);
  const devices = qdiscs.filter(isClsact).map((payload) => viewOf(payload).getInt32(4, true));
  const filters: Filter[] = [];
  for (const device of devices) {
    for (const direction of ["ingress", "egress"] as const) {
      const found = await dump(netlink, RTM_GETTFILTER, device, PARENTS[direction]);
      for (const payload of found)
        filters.push({ device, direction, priority: priorityOf(payload) });
    }
  }
  return filters;
}

async function dump(
  netlink: NetlinkSocket,
  type: number,
  device: number,
  parent: number,
): Promise<Uint8Array[]> {
  const payload = new Uint8Array(HEADER_SIZE);
  viewOf(payload).setInt32(4, device, true);
  viewOf(payload).setUint32(12, parent, true);
  const messages = await netlink.request({ type, payload, flags: MESSAGE_FLAGS.dump });
  return messages.map((message) => message.payload);
}

const isClsact = (payload: Uint8Array): boolean =>
  new Attributes(payload.subarray(HEADER_SIZE)).string(TCA_KIND) === "clsact";

/** tcm_info: the priority above, the protocol below. */
const priorityOf = (payload: Uint8Array): number => viewOf(payload).getUint32(16, true) >>> 16;

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
