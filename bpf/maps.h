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
 * Per packet, `flows` comes first: it holds what became of the packets before.
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

/* What the address of a frontend stands for. */
enum frontend_scope {
	SCOPE_ADDRESS = 0,   /* itself */
	SCOPE_NODE_PORT = 1, /* every NodePort address of the node; it is :: or ::ffff:0.0.0.0 */
	SCOPE_ANY_PORT = 2,  /* itself, at every port that has no frontend; port and protocol are 0 */
};

struct frontend_key {
	struct address address;
	__be16 port;
	__u8 protocol; /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP */
	__u8 scope;    /* enum frontend_scope */
};

enum frontend_kind {
	FRONTEND_CLUSTER_IP = 0,
	FRONTEND_EXTERNAL_IP = 1,
	FRONTEND_LOAD_BALANCER = 2,
	FRONTEND_NODE_PORT = 3,
	FRONTEND_UNSERVED = 4, /* scope ANY_PORT: refused, whatever comes (KP-31, PF-30) */
};

enum frontend_flag {
	FRONTEND_SOURCE_RANGES = 1, /* source_ranges says who may use it (KP-24) */
};

struct frontend {
	__u32 service; /* index into services; all ones where there is none */
	__u8 kind;     /* enum frontend_kind */
	__u8 flags;    /* enum frontend_flag */
	__u16 pad;
};

enum service_flag {
	SERVICE_IN_USE = 1,
	SERVICE_INTERNAL_LOCAL = 2, /* internalTrafficPolicy: Local */
	SERVICE_EXTERNAL_LOCAL = 4, /* externalTrafficPolicy: Local */
};

/* How a slice is read. What it holds is the agent's choice: one slot per backend, or more. */
enum algorithm {
	ALGORITHM_RANDOM = 0, /* any slot; weights are repeated slots */
	ALGORITHM_MAGLEV = 1, /* the slot that the hash of the flow names, the same on every node */
};

/* One Service port in one IP family. A slice word is offset in the low 32 bits, count in the high. */
struct service {
	__u64 cluster; /* slice of every eligible backend (KP-12) */
	__u64 local;   /* slice of the eligible backends on this node (KP-13) */
	__u32 affinity_seconds; /* 0: no session affinity (KP-28) */
	__u32 generation;       /* grows each time the index is given to another Service port */
	__u16 flags;            /* enum service_flag */
	__u8 algorithm;         /* enum algorithm */
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

/* Counted per CPU, per service. */
struct service_stats {
	__u64 connections; /* connect() calls translated, first datagrams of a UDP flow, new flows */
	__u64 datagrams;   /* unconnected datagrams translated at the socket */
	__u64 refused;     /* no eligible endpoint */
	__u64 affinity;    /* selections that session affinity decided */
	__u64 unremembered; /* no memory was left to keep what a socket asked for */
	__u64 denied;          /* outside the source ranges (KP-24) */
	__u64 request_packets; /* translated per packet, from client to backend */
	__u64 request_bytes;   /* of them, from the network header on */
	__u64 reply_packets;
	__u64 reply_bytes;
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
	__u32 slice; /* the slice that it was selected from: BACKEND_IN_CLUSTER or BACKEND_IN_LOCAL */
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

/*
 * Entries that each map has beyond what its setting says, at the end of an array: the agent's own
 * Service, one port in each family, by which it sees whether the programs work (PF-06). Only its
 * frontends and source ranges are told from others by the index that they lead to.
 */
enum reserve {
	RESERVE_SERVICES = 2,
	RESERVE_BACKENDS = 2,
	RESERVE_SLOT_LINES = 1,
	RESERVE_FRONTENDS = 2,
	RESERVE_SOURCE_RANGES = 2,
};

/* Written by the agent that made the maps. */
struct agent_state {
	__u64 layout; /* fingerprint of this header's structs; another one means another agent's maps */
};

/* What the node has been told of one of its addresses. */
enum node_address_flag {
	NODE_ADDRESS_LOCAL = 1,     /* the node owns it: nothing sent to it is ever dropped (PF-30) */
	NODE_ADDRESS_NODE_PORT = 2, /* NodePorts answer at it (KP-26) */
};

enum device_flag {
	DEVICE_EXTERNAL = 1, /* both programs of an external device are attached to it */
	DEVICE_POD = 2,      /* replies that come out of it meet a program of ours at its ingress */
	DEVICE_FAST = 4,     /* packets to it may skip the stack */
	DEVICE_PEER = 8,     /* and go straight into the namespace of the veth's other end */
};

/* A device of the node's network namespace that packets may be sent to, by interface index. */
struct device {
	struct address v4; /* source of masqueraded packets that leave by it; zero: it has none */
	struct address v6;
	__u32 mtu;   /* bytes, from the network header on */
	__u32 flags; /* enum device_flag */
};

enum settings_flag {
	SETTINGS_CLUSTER_IP_FROM_OUTSIDE = 1,
};

/* What may change while the programs run. */
struct settings {
	__u64 host_netns; /* cookie of the node's network namespace; 0: unknown */
	struct address node_v4; /* the node's own address (KP-05), or zero */
	struct address node_v6;
	__u16 node_port_first; /* bounds of all NodePorts, host byte order; first > last: none */
	__u16 node_port_last;
	__u16 snat_port_first; /* ports of masqueraded flows, host byte order */
	__u16 snat_port_last;
	__u32 flags; /* enum settings_flag */
	/* How long a flow is kept after its last packet, in ticks. */
	__u32 tcp_opening; /* no answer yet; SCTP's are the same */
	__u32 tcp_established;
	__u32 tcp_closing; /* FIN from one side */
	__u32 tcp_closed;  /* FIN from both sides, or RST */
	__u32 udp;         /* no answer yet */
	__u32 udp_stream;
	__u32 pad;
};

/* Who may use the LoadBalancer addresses of a service (KP-24). */
struct source_range_key {
	__u32 prefix_length; /* in bits, counted from `service`: 32 + 96 + n for IPv4, 32 + n for IPv6 */
	__u32 service;
	struct address address;
};

/* A range that ClusterIPs are taken from: what has no frontend in it is refused (KP-31). */
struct service_cidr_key {
	__u32 prefix_length; /* in bits: 96 + n for IPv4, n for IPv6 */
	struct address address;
};

/* A direction of a flow, as its packets come. */
struct flow_key {
	struct address source;
	struct address destination;
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	__u8 pad[3];
};

enum flow_flag {
	FLOW_REPLY = 1,    /* from backend to client */
	FLOW_MASQUERADE = 2, /* the client's address is replaced */
	FLOW_FAST = 4,     /* both directions cross our programs */
	FLOW_MARK = 8,     /* leaves by a device at whose egress a program of ours waits */
	FLOW_PEER = 16,    /* goes straight into the namespace of the veth's other end */
};

/* TCP flags that one direction has shown; INIT, SHUTDOWN and ABORT are SCTP's SYN, FIN and RST. */
enum flow_tcp {
	FLOW_TCP_SYN = 1,
	FLOW_TCP_FIN = 2,
	FLOW_TCP_RST = 4,
	FLOW_TCP_ACK = 8,
};

/* How far both directions of a flow have come; a timeout of `settings` belongs to each. */
enum flow_state {
	FLOW_OPENING = 0, /* TCP or SCTP without an answer */
	FLOW_ESTABLISHED = 1,
	FLOW_CLOSING = 2,   /* FIN from one side */
	FLOW_CLOSED = 3,    /* FIN from both sides, or RST */
	FLOW_UNREPLIED = 4, /* UDP without an answer */
	FLOW_STREAM = 5,    /* UDP with one */
};

/* What became of an entry of `flows`, as the iterator over them writes it: one byte each. */
enum sweep {
	SWEEP_KEPT_REQUEST = 0,
	SWEEP_KEPT_REPLY = 1,
	SWEEP_EXPIRED = 2, /* plus enum flow_state: gone, together with the other direction */
};

/* A clock for flows: 2^30 ns of CLOCK_MONOTONIC, 1.07 s. */
#define TICK_SHIFT 30

/*
 * What becomes of the packets of one direction. The other direction is an entry of its own, whose
 * key is the translated packet turned round; each holds enough to make the other anew (PF-28).
 */
struct flow {
	struct address source; /* what the packet's source becomes */
	struct address destination;
	__be16 source_port;
	__be16 destination_port;
	__u32 service;
	__u32 backend;
	__u32 generation; /* of the backend */
	__u32 last_seen;  /* ticks */
	__u32 address_sum; /* one's complement difference that the addresses make to a checksum */
	__u32 port_sum;    /* and the ports */
	__u32 device;      /* where to send it; 0: to the stack, or not known yet */
	__u8 to[6];        /* link-layer addresses; all zero: the neighbour is not resolved */
	__u8 from[6];
	__u8 flags; /* enum flow_flag */
	__u8 tcp;   /* enum flow_tcp */
	__u8 slice; /* BACKEND_IN_CLUSTER or BACKEND_IN_LOCAL */
	__u8 pad;
	__u32 mtu;   /* of the device, in bytes from the network header on */
	__u32 slots; /* offset of the slice that it was selected from: another is there after any change */
};

/* Ports of the fragments that have none, known once the first one has passed. */
struct fragment_key {
	struct address source;
	struct address destination;
	__be32 identification;
	__u8 protocol;
	__u8 pad[3];
};

struct fragment {
	__be16 source_port;
	__be16 destination_port;
};

/* What became of a packet, beside the translated ones of established flows. */
enum reason {
	REASON_NEW_FLOW = 0,
	REASON_REPAIRED_FLOW = 1,       /* the other direction had been evicted (PF-28) */
	REASON_RESELECTED_FLOW = 2,     /* its backend had gone, or it had ended */
	REASON_FRAGMENT_WITHOUT_FIRST = 3, /* its ports are not known: to the stack */
	REASON_ROUTING_HEADER = 4,      /* IPv6 with segments left: to the stack */
	REASON_TRUNCATED = 5,           /* headers that do not hold what they say: to the stack */
	REASON_ICMP_TRANSLATED = 6,
	REASON_REFUSED_NO_ENDPOINT = 7, /* answered by RST or port unreachable (KP-14) */
	REASON_REFUSED_NO_SERVICE = 8,  /* likewise: a port of a VIP that nobody serves (KP-31, PF-30) */
	REASON_REFUSED_TOO_BIG = 9,     /* answered by fragmentation needed or packet too big (PF-29) */
	REASON_DROPPED_NO_LOCAL_ENDPOINT = 10, /* externalTrafficPolicy Local (KP-14) */
	REASON_DROPPED_SOURCE_RANGE = 11,      /* loadBalancerSourceRanges (KP-24) */
	REASON_DROPPED_NO_ROUTE = 12,          /* to the backend */
	REASON_DROPPED_NO_SNAT_PORT = 13,      /* every port that was tried is taken (PF-28) */
	REASON_DROPPED_NO_SNAT_ADDRESS = 14,   /* no address of the family at the node */
	REASON_DROPPED_NO_MEMORY = 15,         /* the flow could not be kept */
	REASON_DROPPED_TTL = 16,               /* would have been forwarded with none left */
	REASON_DROPPED_FRAGMENT = 17, /* of SCTP, whose checksum cannot be mended in pieces */
	REASONS = 18,
};

struct packet_count_key {
	__u32 device; /* interface index */
	__u32 reason; /* enum reason */
};

struct packet_count {
	__u64 packets;
	__u64 bytes;
};

/* Types that no map names, kept in the object's BTF for the generator of the codecs. */
const volatile union {
	struct stale_socket stale_socket;
	enum service_flag service_flag;
	enum backend_flag backend_flag;
	enum affinity_client affinity_client;
	enum frontend_scope frontend_scope;
	enum frontend_kind frontend_kind;
	enum frontend_flag frontend_flag;
	enum algorithm algorithm;
	enum node_address_flag node_address_flag;
	enum device_flag device_flag;
	enum settings_flag settings_flag;
	enum flow_flag flow_flag;
	enum flow_tcp flow_tcp;
	enum flow_state flow_state;
	enum sweep sweep;
	enum reason reason;
	enum reserve reserve;
} layout_types = {};

/*
 * The maps. Sizes are the defaults; the agent sets them before it loads the object. On a small
 * machine Services take at most 32 MB and flows 28; per-CPU counters grow with the CPUs.
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

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct settings);
	__uint(max_entries, 1);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, struct address);
	__type(value, __u32); /* enum node_address_flag */
	__uint(max_entries, 4096);
} node_addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, __u32); /* interface index */
	__type(value, struct device);
	__uint(max_entries, 4096);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct source_range_key);
	__type(value, __u32); /* nothing */
	__uint(max_entries, 65536);
} source_ranges SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct service_cidr_key);
	__type(value, __u32); /* nothing */
	__uint(max_entries, 65536);
} service_cidrs SEC(".maps");

/* Two entries a flow. One that is evicted is made anew from the other (PF-28). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct flow_key);
	__type(value, struct flow);
	__uint(max_entries, 131072);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__type(key, struct fragment_key);
	__type(value, struct fragment);
	__uint(max_entries, 4096);
} fragments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__type(key, struct packet_count_key);
	__type(value, struct packet_count);
	__uint(max_entries, 8192);
} packet_counts SEC(".maps");

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
