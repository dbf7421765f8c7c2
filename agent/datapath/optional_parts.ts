import type { OptionalPart } from "./load.ts";

export const EXPIRED_FLOWS = "sluice_expired_flows";

/** What sock.bpf.o can do without (PF-07). */
export const sockParts: readonly OptionalPart[] = [
  {
    feature: "refuse-with-econnrefused",
    global: "has_set_retval",
    on: "bpf_set_retval is there",
    off: "needs Linux 5.18: connect() is refused by way of port 0 of the loopback, unconnected UDP gets EPERM",
  },
  {
    feature: "destroy-stale-sockets",
    iterator: "sluice_stale_udp",
    on: "socket storage can be iterated",
    off: "connected UDP sockets stay with backends that have gone",
  },
];

/** What tc.bpf.o can do without. */
export const packetParts: readonly OptionalPart[] = [
  {
    feature: "coarse-clock",
    global: "has_coarse_clock",
    on: "bpf_ktime_get_coarse_ns is there",
    off: "needs Linux 5.11: packets read the exact clock, which costs some nanoseconds more",
  },
  {
    feature: "expire-flows",
    iterator: EXPIRED_FLOWS,
    on: "maps can be iterated",
    off: "flows that have ended stay until others need their room",
  },
];
