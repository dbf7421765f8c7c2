/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Repeats of BPF_PROG_RUN all get one packet, as the run before has left it. This program puts it
 * right again, from another source where that is asked for, and goes on to the one that is measured.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define HEADERS 80
#define FIRST_PORT 1024
#define CLIENT_PORTS 60000

/* Where the last word of the source address is, and the source port. */
#define V4_SOURCE 26
#define V4_PORT 34
#define V6_SOURCE 34
#define V6_PORT 54

enum variation {
	VARIATION_NONE,
	VARIATION_NEXT,   /* each packet from a source of its own */
	VARIATION_RANDOM, /* from one of the last `sources` of them */
};

struct replay {
	__u64 headers[HEADERS / 8];
	__u32 target;    /* index into `targets` */
	__u32 variation; /* enum variation */
	__u32 sources;
	__u32 next;
	__u32 is_v6;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, struct replay);
	__uint(max_entries, 1);
} replays SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 2);
} targets SEC(".maps");

static __always_inline __u32 source_of(struct replay *replay)
{
	if (replay->variation == VARIATION_NEXT)
		return replay->next++;
	return replay->next - 1 - (__u32)(((__u64)bpf_get_prandom_u32() * replay->sources) >> 32);
}

SEC("tc")
int replay(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct replay *now;
	__u32 zero = 0, n;

	now = bpf_map_lookup_elem(&replays, &zero);
	if (!now || data + HEADERS > end)
		return TC_ACT_SHOT;
	__builtin_memcpy(data, now->headers, HEADERS);
	skb->tc_index = 0;
	if (now->variation != VARIATION_NONE) {
		n = source_of(now);
		*(__be32 *)(data + (now->is_v6 ? V6_SOURCE : V4_SOURCE)) +=
			bpf_htonl(n / CLIENT_PORTS);
		*(__be16 *)(data + (now->is_v6 ? V6_PORT : V4_PORT)) =
			bpf_htons(FIRST_PORT + n % CLIENT_PORTS);
	}
	bpf_tail_call(skb, &targets, now->target);
	return TC_ACT_SHOT;
}

SEC("tc")
int nothing(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}
