/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ClientIP session affinity (KP-28): one entry per client and Service port, over all of its VIPs. */
#ifndef SLUICE_AFFINITY_H
#define SLUICE_AFFINITY_H

#define NS_PER_SECOND 1000000000ULL

static __always_inline bool affinity_lookup(const struct affinity_key *key,
					    const struct found *found, __u16 slice_flag, __u64 now,
					    struct choice *choice)
{
	struct affinity *entry = bpf_map_lookup_elem(&affinities, key);

	if (!entry || now - entry->last_seen > found->service->affinity_seconds * NS_PER_SECOND)
		return false;
	choice->index = entry->backend;
	choice->backend = live_backend(entry->backend, entry->generation, key->service, slice_flag);
	if (!choice->backend)
		return false;
	entry->last_seen = now;
	return true;
}

static __always_inline void affinity_remember(const struct affinity_key *key, __u64 now,
					      const struct choice *choice)
{
	struct affinity entry = {
		.last_seen = now,
		.backend = choice->index,
		.generation = choice->backend->generation,
	};

	bpf_map_update_elem(&affinities, key, &entry, BPF_ANY);
}

#endif
