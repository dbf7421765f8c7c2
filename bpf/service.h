/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From an address and port to a backend: one hash lookup, then array loads. */
#ifndef SLUICE_SERVICE_H
#define SLUICE_SERVICE_H

/* A Service port that answers at the address asked for. */
struct found {
	struct service *service;
	__u32 index;
};

/* A backend chosen for one connection or flow. */
struct choice {
	struct backend *backend;
	__u32 index;
};

static __always_inline bool find_service(const struct address *destination, __be16 port,
					 __u8 protocol, struct found *found)
{
	struct frontend_key key = { .address = *destination, .port = port, .protocol = protocol };
	struct frontend *frontend = bpf_map_lookup_elem(&frontends, &key);

	if (!frontend)
		return false;
	found->index = frontend->service;
	found->service = bpf_map_lookup_elem(&services, &found->index);
	return found->service != NULL;
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
 * Uniform over the slice (KP-30). The slice word is read once: offset and count belong together.
 * False: no endpoint is eligible.
 */
static __always_inline bool select_random(const __u64 *slice, struct choice *choice)
{
	__u64 word = *(const volatile __u64 *)slice;
	__u32 offset = word;
	__u32 count = word >> 32;

	if (!count)
		return false;
	return select_at(offset + (__u32)(((__u64)bpf_get_prandom_u32() * count) >> 32), choice);
}

/* The slice that internalTrafficPolicy names, as a flag of the backends in it (KP-10). */
static __always_inline __u16 slice_flag_of(const struct service *service)
{
	return service->flags & SERVICE_INTERNAL_LOCAL ? BACKEND_IN_LOCAL : BACKEND_IN_CLUSTER;
}

static __always_inline bool select_by_policy(const struct service *service, struct choice *choice)
{
	if (service->flags & SERVICE_INTERNAL_LOCAL)
		return select_random(&service->local, choice);
	return select_random(&service->cluster, choice);
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
