/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one contract between the agent and its eBPF programs.
 *
 * A lookup is one hash lookup and three array loads:
 *
 *   frontends[address, port, protocol] -> service index
 *   services[index].cluster            -> {offset, count} of a slice
 *   slots[offset + n]                  -> backend index, n picked below count (KP-30)
 *   backends[index]                    -> address and port
 *
 * The agent publishes a change by one aligned 64-bit store to services[].cluster or .local: slots
 * and backends that the new word names are complete before it, and those that only the old word
 * named are reused no earlier than one RCU grace period after it.
 *
 * The TypeScript codecs are generated from the BTF of this header. Every struct is free of holes:
 * padding is spelled out, and the generator refuses an object whose BTF shows a gap.
 */
#ifndef SLUICE_MAPS_H
#define SLUICE_MAPS_H

/* An IPv6 address, or an IPv4 one as ::ffff:a.b.c.d, in network byte order. */
struct address {
	__be32 word[4];
};

struct frontend_key {
	struct address address;
	__be16 port;
	__u8 protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	__u8 pad;
};

struct frontend {
	__u32 service; /* index into services */
	__u32 flags;
};

enum service_flag {
	SERVICE_IN_USE = 1,
	SERVICE_INTERNAL_LOCAL = 2, /* internalTrafficPolicy: Local */
	SERVICE_EXTERNAL_LOCAL = 4, /* externalTrafficPolicy: Local */
};

/* One Service port in one IP family. A slice word is offset in the low 32 bits, count in the high. */
struct service {
	__u64 cluster; /* slice of every eligible backend (KP-12) */
	__u64 local;   /* slice of the eligible backends on this node (KP-13) */
	__u32 affinity_seconds; /* 0: no session affinity (KP-28) */
	__u32 generation;       /* grows each time the index is given to another Service port */
	__u16 flags;            /* enum service_flag */
	__u8 algorithm;         /* 0: uniform random */
	__u8 protocol;
	__u32 pad;
};

enum backend_flag {
	BACKEND_IN_CLUSTER = 1, /* in the cluster slice of its service */
	BACKEND_IN_LOCAL = 2,   /* in the local slice */
	BACKEND_LOCAL = 4,      /* runs on this node */
	BACKEND_READY = 8,
	BACKEND_SERVING = 16,
	BACKEND_TERMINATING = 32,
};

/* An endpoint of one Service port. A record in neither slice is dead: no state may keep using it. */
struct backend {
	struct address address;
	__be16 port;
	__u16 flags;      /* enum backend_flag; 0: free, or retired and awaiting its grace period */
	__u32 service;    /* index of the one service that it belongs to */
	__u32 generation; /* grows each time the index is given to another endpoint (PF-27) */
	__u32 pad;
};

/*
 * A cache line of slots. An array element takes a multiple of 8 bytes, so single 32-bit ones would
 * waste half of the map; user space sees one flat array of backend indices.
 */
#define SLOTS_PER_LINE 16
struct slot_line {
	__u32 backend[SLOTS_PER_LINE];
};

/* Whose index it is, for the restart and for people: NUL-padded UTF-8. */
struct service_name {
	char name_space[64];
	char name[64];
	char port_name[64];
	__u8 family; /* 4 or 6; 0: not in use */
	__u8 protocol;
	__be16 port;
	__u32 pad;
};

/* Counted per CPU by the socket programs, per service. */
struct service_stats {
	__u64 connections; /* connect() calls translated, and first datagrams of a UDP flow */
	__u64 datagrams;   /* unconnected datagrams translated */
	__u64 refused;     /* no eligible endpoint */
	__u64 affinity;    /* selections that session affinity decided */
	__u64 unremembered; /* no memory was left to keep what a socket asked for */
};

/* Who is asking, for session affinity: one network namespace, or one client address. */
enum affinity_client {
	AFFINITY_NETNS = 0,   /* client.word[0..1] hold the namespace cookie in host byte order */
	AFFINITY_ADDRESS = 1,
};

struct affinity_key {
	struct address client;
	__u32 service;
	__u32 kind; /* enum affinity_client */
};

struct affinity {
	__u64 last_seen; /* ns, CLOCK_MONOTONIC */
	__u32 backend;
	__u32 generation; /* of the backend */
};

/* What a socket asked for and what it got. */
struct translation {
	struct address vip;
	struct address address;
	__be16 vip_port;
	__be16 port;
	__u32 service;
	__u32 backend;
	__u32 generation; /* of the backend */
};

/*
 * What a TCP socket asked for, at the place of `tcp_peers` that the low bits of its cookie name.
 * Cleared when the socket is closed; a socket whose place is taken uses socket storage instead.
 */
struct tcp_peer {
	__u64 cookie; /* 0: free */
	struct address vip;
	__be16 vip_port;
	__u16 pad;
	__u32 service;
};

/* An unconnected UDP socket talks to several VIPs at once. */
#define UDP_FLOWS 4
struct udp_flows {
	struct translation flow[UDP_FLOWS];
	__u32 next; /* the flow to give up when none is free */
	__u32 last; /* the flow used last: it is believed where several lead to one backend */
};

/* One connected UDP socket whose backend is dead, as the iterator reports it. */
struct stale_socket {
	struct address source;
	struct address destination;
	__u64 cookie; /* all ones: none was ever made */
	__be16 source_port;
	__be16 destination_port;
	__u32 netns; /* inode number */
	__u32 device; /* sk_bound_dev_if */
	__u16 family; /* AF_INET, AF_INET6 */
	__u16 pad;
};

/* Written by the agent that made the maps. */
struct agent_state {
	__u64 layout; /* fingerprint of this header's structs; another one means another agent's maps */
};

/* Types that no map names, kept in the object's BTF for the generator of the codecs. */
const volatile union {
	struct stale_socket stale_socket;
	enum service_flag service_flag;
	enum backend_flag backend_flag;
	enum affinity_client affinity_client;
} layout_types = {};

/*
 * The maps. Sizes are the defaults; the agent sets them before it loads the object. Together they
 * take at most 32 MB on a small machine; service_stats alone grows with the number of CPUs.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct frontend_key);
	__type(value, struct frontend);
	__uint(max_entries, 65536);
} frontends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct service);
	__uint(max_entries, 16384);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct slot_line);
	__uint(max_entries, 524288 / SLOTS_PER_LINE);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct backend);
	__uint(max_entries, 262144);
} backends SEC(".maps");

/* Read by people and by the restart, never by a program. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct service_name);
	__uint(max_entries, 16384);
} service_names SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct service_stats);
	__uint(max_entries, 16384);
} service_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct affinity_key);
	__type(value, struct affinity);
	__uint(max_entries, 65536);
} affinities SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct agent_state);
	__uint(max_entries, 1);
} agent_state SEC(".maps");

/*
 * Socket storage costs a connect() 330 ns, half of it in allocation and half in RCU callbacks; a
 * place in this array costs 30. Exact all the same: nothing is evicted (PF-22). A power of two.
 */
#define TCP_PEERS 65536
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct tcp_peer);
	__uint(max_entries, TCP_PEERS);
} tcp_peers SEC(".maps");

/* Gone with the socket: nothing to collect, nothing to evict (PF-22). */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct translation);
} connected_tcp SEC(".maps");

/* Apart from TCP's, so that the hunt for stale sockets walks UDP ones only. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct translation);
} connected_udp SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct udp_flows);
} unconnected_udp SEC(".maps");

#endif
