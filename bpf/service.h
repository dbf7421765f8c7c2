/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From an address and port to a backend: one hash lookup, then array loads. */
#ifndef SLUICE_SERVICE_H
#define SLUICE_SERVICE_H

/* A Service port that answers at the address asked for. */
struct found {
	struct service *service;
	__u32 index;
	__u8 kind;  /* enum frontend_kind */
	__u8 flags; /* enum frontend_flag */
};

enum lookup {
	LOOKUP_NONE,     /* nothing of ours */
	LOOKUP_SERVICE,
	LOOKUP_UNSERVED, /* an address or port of ours that nobody serves (KP-31, PF-30) */
};

/* Where a connection comes from, as far as traffic policies go. */
enum origin {
	ORIGIN_INSIDE, /* the node or one of its pods */
	ORIGIN_OUTSIDE,
};

/* A backend chosen for one connection or flow. */
struct choice {
	struct backend *backend;
	__u32 index;
};

static __always_inline struct settings *settings_now(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

/* enum node_address_flag; 0: not an address of this node. */
static __always_inline __u32 node_address_flags(const struct address *address)
{
	__u32 *flags = bpf_map_lookup_elem(&node_addresses, address);

	return flags ? *flags : 0;
}

static __always_inline bool take_frontend(const struct frontend *frontend, struct found *found)
{
	found->index = frontend->service;
	found->kind = frontend->kind;
	found->flags = frontend->flags;
	found->service = bpf_map_lookup_elem(&services, &found->index);
	return found->service != NULL;
}

/* At a port of the node, whatever its address (KP-26). */
static __always_inline bool find_node_port(bool v4, __be16 port, __u8 protocol, struct found *found)
{
	struct frontend_key key = { .port = port, .protocol = protocol, .scope = SCOPE_NODE_PORT };
	struct frontend *frontend;

	if (v4)
		key.address.word[2] = MAPPED_PREFIX;
	frontend = bpf_map_lookup_elem(&frontends, &key);
	return frontend && take_frontend(frontend, found);
}

static __always_inline bool may_be_node_port(__be16 port)
{
	struct settings *now = settings_now();
	__u16 host_order = bpf_ntohs(port);

	return now && host_order >= now->node_port_first && host_order <= now->node_port_last;
}

static __always_inline bool is_in_service_cidr(const struct address *destination)
{
	struct service_cidr_key key = { .prefix_length = 128, .address = *destination };

	return bpf_map_lookup_elem(&service_cidrs, &key) != NULL;
}

/*
 * A ClusterIP that no Service has is dropped by kube-proxy, after translation. Here it is answered
 * at once, as a port of a Service's address that nobody serves is (KP-31).
 */
static __always_inline bool is_unserved(const struct address *destination)
{
	struct frontend_key key = { .address = *destination, .scope = SCOPE_ANY_PORT };

	if (!bpf_map_lookup_elem(&frontends, &key) && !is_in_service_cidr(destination))
		return false;
	return !(node_address_flags(destination) & NODE_ADDRESS_LOCAL);
}

static __always_inline enum lookup find_service(const struct address *destination, __be16 port,
						__u8 protocol, struct found *found)
{
	struct frontend_key key = { .address = *destination, .port = port, .protocol = protocol };
	struct frontend *frontend = bpf_map_lookup_elem(&frontends, &key);

	if (frontend)
		return take_frontend(frontend, found) ? LOOKUP_SERVICE : LOOKUP_NONE;
	/* The loopback's NodePorts are for the node's own sockets, which do not come this way. */
	if (may_be_node_port(port) && !address_is_loopback(destination) &&
	    node_address_flags(destination) & NODE_ADDRESS_NODE_PORT &&
	    find_node_port(address_is_v4(destination), port, protocol, found))
		return LOOKUP_SERVICE;
	return is_unserved(destination) ? LOOKUP_UNSERVED : LOOKUP_NONE;
}

static __always_inline bool select_at(__u32 slot, struct choice *choice)
{
	__u32 line = slot / SLOTS_PER_LINE;
	struct slot_line *slots_here = bpf_map_lookup_elem(&slots, &line);

	if (!slots_here)
		return false;
	choice->index = slots_here->backend[slot % SLOTS_PER_LINE];
	choice->backend = bpf_map_lookup_elem(&backends, &choice->index);
	return choice->backend != NULL;
}

/*
 * The slice that the traffic policy names, as the flag of the backends in it (KP-10). What starts
 * on the node uses the cluster slice of an external address whatever its policy is (KP-14).
 */
static __always_inline __u8 slice_for(const struct found *found, enum origin origin)
{
	__u16 local = SERVICE_INTERNAL_LOCAL;

	if (found->kind != FRONTEND_CLUSTER_IP)
		local = origin == ORIGIN_OUTSIDE ? SERVICE_EXTERNAL_LOCAL : 0;
	return found->service->flags & local ? BACKEND_IN_LOCAL : BACKEND_IN_CLUSTER;
}

/*
 * `pick` is spread evenly over 32 bits (KP-30); the same one gives the same slot. The slice word is
 * read once: offset and count belong together. False: no endpoint is eligible.
 */
static __always_inline bool select_slot(const struct service *service, __u8 slice, __u32 pick,
					struct choice *choice)
{
	const volatile __u64 *at = slice == BACKEND_IN_LOCAL ? &service->local : &service->cluster;
	__u64 word = *at;
	__u32 offset = word;
	__u32 count = word >> 32;

	if (!count)
		return false;
	return select_at(offset + (__u32)(((__u64)pick * count) >> 32), choice);
}

/* Whether what was remembered of a backend still holds: same record, and still in the slice. */
static __always_inline struct backend *live_backend(__u32 index, __u32 generation, __u32 service,
						    __u16 slice_flag)
{
	struct backend *backend = bpf_map_lookup_elem(&backends, &index);

	if (!backend || !(backend->flags & slice_flag) || backend->generation != generation ||
	    backend->service != service)
		return NULL;
	return backend;
}

static __always_inline struct service_stats *stats_of(__u32 service)
{
	return bpf_map_lookup_elem(&service_stats, &service);
}

/* Atomic although the counters are per CPU: a task may be preempted between load and store. */
#define COUNT(stats, field)                                     \
	do {                                                    \
		if (stats)                                      \
			__sync_fetch_and_add(&(stats)->field, 1); \
	} while (0)

#endif
