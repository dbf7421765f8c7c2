import { ArgumentError } from "./errors.ts";

/** Kernel enums (linux/bpf.h) under the names that bpftool prints; a name's place is its number. */
const MAP_TYPES = [
  "unspec",
  "hash",
  "array",
  "prog_array",
  "perf_event_array",
  "percpu_hash",
  "percpu_array",
  "stack_trace",
  "cgroup_array",
  "lru_hash",
  "lru_percpu_hash",
  "lpm_trie",
  "array_of_maps",
  "hash_of_maps",
  "devmap",
  "sockmap",
  "cpumap",
  "xskmap",
  "sockhash",
  "cgroup_storage",
  "reuseport_sockarray",
  "percpu_cgroup_storage",
  "queue",
  "stack",
  "sk_storage",
  "devmap_hash",
  "struct_ops",
  "ringbuf",
  "inode_storage",
  "task_storage",
  "bloom_filter",
  "user_ringbuf",
  "cgrp_storage",
  "arena",
] as const;

const PROGRAM_TYPES = [
  "unspec",
  "socket_filter",
  "kprobe",
  "sched_cls",
  "sched_act",
  "tracepoint",
  "xdp",
  "perf_event",
  "cgroup_skb",
  "cgroup_sock",
  "lwt_in",
  "lwt_out",
  "lwt_xmit",
  "sock_ops",
  "sk_skb",
  "cgroup_device",
  "sk_msg",
  "raw_tracepoint",
  "cgroup_sock_addr",
  "lwt_seg6local",
  "lirc_mode2",
  "sk_reuseport",
  "flow_dissector",
  "cgroup_sysctl",
  "raw_tracepoint_writable",
  "cgroup_sockopt",
  "tracing",
  "struct_ops",
  "ext",
  "lsm",
  "sk_lookup",
  "syscall",
  "netfilter",
] as const;

const ATTACH_TYPES = [
  "cgroup_inet_ingress",
  "cgroup_inet_egress",
  "cgroup_inet_sock_create",
  "cgroup_sock_ops",
  "sk_skb_stream_parser",
  "sk_skb_stream_verdict",
  "cgroup_device",
  "sk_msg_verdict",
  "cgroup_inet4_bind",
  "cgroup_inet6_bind",
  "cgroup_inet4_connect",
  "cgroup_inet6_connect",
  "cgroup_inet4_post_bind",
  "cgroup_inet6_post_bind",
  "cgroup_udp4_sendmsg",
  "cgroup_udp6_sendmsg",
  "lirc_mode2",
  "flow_dissector",
  "cgroup_sysctl",
  "cgroup_udp4_recvmsg",
  "cgroup_udp6_recvmsg",
  "cgroup_getsockopt",
  "cgroup_setsockopt",
  "trace_raw_tp",
  "trace_fentry",
  "trace_fexit",
  "modify_return",
  "lsm_mac",
  "trace_iter",
  "cgroup_inet4_getpeername",
  "cgroup_inet6_getpeername",
  "cgroup_inet4_getsockname",
  "cgroup_inet6_getsockname",
  "xdp_devmap",
  "cgroup_inet_sock_release",
  "xdp_cpumap",
  "sk_lookup",
  "xdp",
  "sk_skb_verdict",
  "sk_reuseport_select",
  "sk_reuseport_select_or_migrate",
  "perf_event",
  "trace_kprobe_multi",
  "lsm_cgroup",
  "struct_ops",
  "netfilter",
  "tcx_ingress",
  "tcx_egress",
] as const;

const LINK_TYPES = [
  "unspec",
  "raw_tracepoint",
  "tracing",
  "cgroup",
  "iter",
  "netns",
  "xdp",
  "perf_event",
  "kprobe_multi",
  "struct_ops",
  "netfilter",
  "tcx",
  "uprobe_multi",
  "netkit",
  "sockmap",
] as const;

export type MapType = (typeof MAP_TYPES)[number];
export type ProgramType = (typeof PROGRAM_TYPES)[number];
export type AttachType = (typeof ATTACH_TYPES)[number];
export type LinkType = (typeof LINK_TYPES)[number];
/** A kernel younger than this table answers with the bare number, as text. */
export type OrUnknown<T extends string> = T | `${number}`;

const named = <T extends string>(names: readonly T[], number: number): OrUnknown<T> =>
  names[number] ?? `${number}`;

function numbered(what: string, names: readonly string[], name: string): number {
  const number = names.indexOf(name);
  if (number < 0) throw new ArgumentError(`no ${what} is called ${JSON.stringify(name)}`);
  return number;
}

export const mapTypeName = (type: number): OrUnknown<MapType> => named(MAP_TYPES, type);
export const mapTypeNumber = (name: MapType): number => numbered("map type", MAP_TYPES, name);
export const programTypeName = (type: number): OrUnknown<ProgramType> => named(PROGRAM_TYPES, type);
export const programTypeNumber = (name: ProgramType): number =>
  numbered("program type", PROGRAM_TYPES, name);
export const attachTypeName = (type: number): OrUnknown<AttachType> => named(ATTACH_TYPES, type);
export const attachTypeNumber = (name: AttachType): number =>
  numbered("attach type", ATTACH_TYPES, name);
export const linkTypeName = (type: number): OrUnknown<LinkType> => named(LINK_TYPES, type);

/** Map flags that concern user space (BPF_F_*). */
export const MAP_FLAGS = {
  noPreallocation: 1,
  readOnlyFromUserSpace: 8,
  writeOnlyFromUserSpace: 16,
  readOnlyFromPrograms: 128,
  mmapable: 1024,
  innerMap: 4096,
} as const;
