/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a packet goes next, and how it gets there without the stack. */
#ifndef SLUICE_ROUTE_H
#define SLUICE_ROUTE_H

#define AF_INET 2
#define AF_INET6 10

/* In tc_index: translated already. `sluice_to_outside` takes it off and passes the packet on. */
#define MARK_TRANSLATED 0x5c1c

enum route {
	ROUTE_NONE,
	ROUTE_HERE, /* an address of the node itself */
	ROUTE_AWAY,
};

static __always_inline struct device *device_of(__u32 index)
{
	return bpf_map_lookup_elem(&devices, &index);
}

static __always_inline bool is_fast(__u32 index)
{
	struct device *device = device_of(index);

	return device && device->flags & DEVICE_FAST;
}

/* Notes in the flow what the FIB says of its translated packets. The neighbour may be unresolved. */
static __noinline int find_route(struct __sk_buff *skb, struct flow *flow, __u8 protocol,
				 __u32 ingress)
{
	bool v4 = address_is_v4(&flow->destination);
	struct bpf_fib_lookup fib = {
		.family = v4 ? AF_INET : AF_INET6,
		.l4_protocol = protocol,
		.sport = flow->source_port,
		.dport = flow->destination_port,
		.ifindex = ingress,
	};
	struct scratch *scratch = scratch_now();
	struct device *device;
	__u32 index;
	long result;

	if (!scratch)
		return ROUTE_NONE;
	if (v4) {
		fib.ipv4_src = flow->source.word[3];
		fib.ipv4_dst = flow->destination.word[3];
	} else {
		__builtin_memcpy(fib.ipv6_src, &flow->source, sizeof(flow->source));
		__builtin_memcpy(fib.ipv6_dst, &flow->destination, sizeof(flow->destination));
	}
	/* A length would be held against the MTU, which that of a GSO packet never passes. */
	result = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (result == BPF_FIB_LKUP_RET_NOT_FWDED)
		return ROUTE_HERE;
	if (result != BPF_FIB_LKUP_RET_SUCCESS && result != BPF_FIB_LKUP_RET_FRAG_NEEDED &&
	    result != BPF_FIB_LKUP_RET_NO_NEIGH)
		return ROUTE_NONE;
	index = fib.ifindex;
	device = device_of(index);
	scratch->egress_flags = device ? device->flags : 0;
	flow->device = index;
	flow->mtu = device ? device->mtu : 0;
	flow->flags &= ~(FLOW_MARK | FLOW_PEER);
	if (device && device->flags & (DEVICE_EXTERNAL | DEVICE_POD))
		flow->flags |= FLOW_MARK;
	if (device && device->flags & DEVICE_PEER)
		flow->flags |= FLOW_PEER;
	if (result == BPF_FIB_LKUP_RET_NO_NEIGH || !mac_header) {
		__builtin_memset(flow->to, 0, ETH_ADDRESSES);
	} else {
		__builtin_memcpy(flow->to, fib.dmac, 6);
		__builtin_memcpy(flow->from, fib.smac, 6);
	}
	return ROUTE_AWAY;
}

static __always_inline bool has_neighbour(const struct flow *flow)
{
	return *(const __u32 *)flow->to || *(const __u16 *)(flow->to + 4);
}

/* linux/skbuff.h: segments of any size, as SCTP makes them. */
#define GSO_BY_FRAGS 0xffff

/*
 * What the device has to carry at once: of a GSO packet, one segment. How long SCTP's are is not
 * told; no longer than the way that their sender knows allows, which it learns from other packets.
 */
static __always_inline __u32 carried_length(const struct __sk_buff *skb, const struct packet *packet)
{
	__u32 size = skb->gso_size;

	if (!size || packet->part != PART_WHOLE)
		return packet->length;
	return size == GSO_BY_FRAGS ? 0 : packet->headers + size;
}

static __always_inline bool is_too_big(const struct __sk_buff *skb, const struct packet *packet,
				       const struct flow *flow)
{
	return flow->mtu && carried_length(skb, packet) > flow->mtu;
}

/*
 * `confirm` goes through the neighbour, so that the kernel resolves it, notices a new address and
 * keeps it alive; the packets between bear the addresses that it had.
 */
static __always_inline int redirect(struct __sk_buff *skb, const struct flow *flow, bool confirm)
{
	if (flow->flags & FLOW_PEER) {
		if (skb->pkt_type)
			bpf_skb_change_type(skb, 0);
		return bpf_redirect_peer(flow->device, 0);
	}
	if (flow->flags & FLOW_MARK)
		skb->tc_index = MARK_TRANSLATED;
	/* What the way by the neighbour takes off first. */
	if (!mac_header && bpf_skb_change_head(skb, ETHERNET_HEADER, 0))
		return TC_ACT_SHOT;
	if (confirm || !mac_header || !has_neighbour(flow))
		return bpf_redirect_neigh(flow->device, NULL, 0, 0);
	return bpf_redirect(flow->device, 0);
}

#endif
