/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What became of packets, by device and reason. Never on the path of established flows. */
#ifndef SLUICE_COUNT_H
#define SLUICE_COUNT_H

static __noinline void count_packet(struct __sk_buff *skb, __u32 reason)
{
	struct packet_count_key key = { .device = skb->ifindex, .reason = reason };
	struct packet_count *count = bpf_map_lookup_elem(&packet_counts, &key);
	struct packet_count first = { .packets = 1, .bytes = skb->len };

	if (count) {
		count->packets++;
		count->bytes += skb->len;
	} else {
		bpf_map_update_elem(&packet_counts, &key, &first, BPF_NOEXIST);
	}
}

#endif
