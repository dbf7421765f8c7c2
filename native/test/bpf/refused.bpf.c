// SPDX-License-Identifier: Apache-2.0
// Reads a packet without looking where it ends: no verifier takes that.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("tc")
int unbounded(struct __sk_buff *skb)
{
	return *(__u8 *)(long)skb->data;
}

SEC("tc")
int fine(struct __sk_buff *skb)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
