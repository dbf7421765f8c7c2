/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Per packet: traffic that comes from outside the node, and whatever bypasses the socket hooks. */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "iterator.h"
#include "address.h"
#include "service.h"
#include "affinity.h"
#include "flow_state.h"
#include "expire.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Bytes of the link-layer header; 0 on devices that have none (WireGuard, ipip, tun). */
const volatile __u32 mac_header = 14;

SEC("tc")
int sluice_from_outside(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

SEC("tc")
int sluice_to_outside(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

SEC("tc")
int sluice_from_pod(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}
