// SPDX-License-Identifier: Apache-2.0
// One map and one program of every kind that the tests handle.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct endpoint {
	__be32 address;
	__be16 port;
	__u8 name[6];
	__s64 weight;
	struct {
		__u32 low;
		__u16 high[2];
	} range;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct endpoint);
} endpoints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1000);
	__type(key, __u32);
	__type(value, __u32);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} sockets SEC(".maps");

const volatile __u32 from_address = 0;
const volatile __u16 to_port = 0;
const volatile _Bool refuse = 0;
__u64 seen = 7;
__s32 below_zero;

/* Sends what asks for from_address to to_port of 127.0.0.1. */
SEC("cgroup/connect4")
int redirect(struct bpf_sock_addr *ctx)
{
	__u64 *stored;

	if (ctx->user_ip4 != from_address)
		return 1;
	if (refuse)
		return 0;
	stored = bpf_sk_storage_get(&sockets, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (stored)
		*stored = ctx->user_ip4;
	ctx->user_ip4 = bpf_htonl(0x7f000001);
	ctx->user_port = bpf_htons(to_port);
	return 1;
}

SEC("cgroup/connect4")
int refuse_all(struct bpf_sock_addr *ctx)
{
	return ctx->user_ip4 != from_address;
}

/* Counts the packet, publishes its length as an event, and gives back slots[0]. */
SEC("tc")
int observe(struct __sk_buff *skb)
{
	__u32 zero = 0, *slot, *counter;
	__u64 *event;

	__sync_fetch_and_add(&seen, 1);
	counter = bpf_map_lookup_elem(&counters, &zero);
	if (counter)
		*counter += 1;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (event) {
		*event = skb->len;
		bpf_ringbuf_submit(event, 0);
	}
	slot = bpf_map_lookup_elem(&slots, &zero);
	return slot ? *slot : TC_ACT_OK;
}

SEC("tc")
int pass(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

struct bpf_iter_meta {
	struct seq_file *seq;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct sock *sk;
	void *value;
} __attribute__((preserve_access_index));

SEC("iter/bpf_sk_storage_map")
int list_sockets(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	__u64 *value = ctx->value;

	if (ctx->sk && value)
		bpf_seq_write(ctx->meta->seq, value, sizeof(*value));
	return 0;
}

SEC("iter/bpf_sk_storage_map")
int list_nothing(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	return 0;
}

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	void *key;
	void *value;
} __attribute__((preserve_access_index));

SEC("iter/bpf_map_elem")
int list_elements(struct bpf_iter__bpf_map_elem *ctx)
{
	__u32 *key = ctx->key;

	if (key)
		bpf_seq_write(ctx->meta->seq, key, sizeof(*key));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
