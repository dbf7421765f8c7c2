/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* loadBalancerSourceRanges (KP-24). */
#ifndef SLUICE_SOURCE_RANGE_H
#define SLUICE_SOURCE_RANGE_H

/* Whether a client may use the frontends of a service that have FRONTEND_SOURCE_RANGES. */
static __always_inline bool is_in_source_ranges(__u32 service, const struct address *client)
{
	struct source_range_key key = {
		.prefix_length = 8 * (sizeof(key.service) + sizeof(key.address)),
		.service = service,
		.address = *client,
	};

	return bpf_map_lookup_elem(&source_ranges, &key) != NULL;
}

#endif
