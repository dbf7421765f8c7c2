/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs of somebody else at the same hooks: they count in the map and let everything pass. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__type(key, __u32);
	__type(value, __u64);
	__uint(max_entries, 1);
} runs SEC(".maps");

static __always_inline int count(void)
{
	__u32 zero = 0;
	__u64 *runs_here = bpf_map_lookup_elem(&runs, &zero);

	if (runs_here)
		__sync_fetch_and_add(runs_here, 1);
	return 1;
}

SEC("cgroup/connect4")
int foreign_connect4(struct bpf_sock_addr *ctx)
{
	(void)ctx;
	return count();
}

SEC("cgroup/getpeername4")
int foreign_getpeername4(struct bpf_sock_addr *ctx)
{
	(void)ctx;
	return count();
}

SEC("cgroup/connect6")
int foreign_connect6(struct bpf_sock_addr *ctx)
{
	(void)ctx;
	return count();
}

SEC("cgroup/sendmsg4")
int foreign_sendmsg4(struct bpf_sock_addr *ctx)
{
	(void)ctx;
	return count();
}

SEC("cgroup/recvmsg4")
int foreign_recvmsg4(struct bpf_sock_addr *ctx)
{
	(void)ctx;
	return count();
}

SEC("tc")
int foreign_tc(struct __sk_buff *skb)
{
	(void)skb;
	count();
	return TC_ACT_UNSPEC;
}
