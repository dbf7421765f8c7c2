/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rewrites addresses and ports, and mends the checksums by the difference (RFC 1624). */
#ifndef SLUICE_NAT_H
#define SLUICE_NAT_H

#define TCP_CHECK_AT 16
#define UDP_CHECK_AT 6
#define SCTP_CHECK_AT 8

static __always_inline __u32 fold_sum(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

/* What a one's complement sum gains where `from` becomes `to`, as bpf_csum_diff() has it. */
static __always_inline __u64 address_gain(const struct address *from, const struct address *to)
{
	__u64 sum = 0;
	int i;

	for (i = 0; i < 4; i++)
		sum += (__u64)to->word[i] + (__u32)~from->word[i];
	return sum;
}

static __always_inline __u32 port_gain(__be16 from, __be16 to)
{
	return from == to ? 0 : (__u32)to + (__u16)~from;
}

static __always_inline void fill_port_sum(const struct flow_key *key, struct flow *flow)
{
	flow->port_sum = port_gain(key->source_port, flow->source_port) +
			 port_gain(key->destination_port, flow->destination_port);
}

/* The differences that a flow makes, once its addresses and ports are known. */
static __always_inline void fill_sums(const struct flow_key *key, struct flow *flow)
{
	flow->address_sum = fold_sum(address_gain(&key->source, &flow->source) +
				     address_gain(&key->destination, &flow->destination));
	fill_port_sum(key, flow);
}

static __always_inline __u16 mend_check(__u16 check, __u32 gain)
{
	__u32 sum = (__u16)~check + (gain & 0xffff) + (gain >> 16);

	sum = (sum & 0xffff) + (sum >> 16);
	return ~((sum & 0xffff) + (sum >> 16));
}

static __always_inline void rewrite_v4(struct ipv4_header *ip, const struct flow *flow,
				       bool forwarded)
{
	__u32 gain = flow->address_sum;
	__u16 *lifetime = (__u16 *)&ip->ttl;

	ip->source = flow->source.word[3];
	ip->destination = flow->destination.word[3];
	if (forwarded) {
		gain = fold_sum((__u64)gain + (__u16)~*lifetime);
		ip->ttl--;
		gain = fold_sum((__u64)gain + *lifetime);
	}
	ip->check = mend_check(ip->check, gain);
}

/*
 * Where the device summed the whole packet (CHECKSUM_COMPLETE), mending the transport checksum takes
 * the addresses for compensated by a header checksum that IPv6 does not have; nor does anything
 * make up for the hop.
 */
static __always_inline void rewrite_v6(struct __sk_buff *skb, struct ipv6_header *ip,
				       const struct flow *flow, bool forwarded)
{
	ip->source = flow->source;
	ip->destination = flow->destination;
	if (forwarded)
		ip->hop_limit--;
	bpf_csum_update(skb, fold_sum((__u64)flow->address_sum +
				      (forwarded ? (__u16)~bpf_htons(1) : 0)));
}

/* Word by word: the compiler takes bytes for what is declared as such. */
struct macs {
	__u32 word[3];
} __attribute__((may_alias));

static __always_inline void rewrite_macs(void *frame, const struct flow *flow)
{
	*(struct macs *)frame = *(const struct macs *)flow->to;
}

/* Where the transport checksum is in the frame. */
static __always_inline __u32 check_offset(const struct packet *packet)
{
	__u32 at = packet->key.protocol == IPPROTO_TCP ? TCP_CHECK_AT : UDP_CHECK_AT;

	if (packet->key.protocol == IPPROTO_SCTP)
		at = SCTP_CHECK_AT;
	return (packet->l4 & OFFSET_MASK) + at;
}

static __always_inline __u32 port_change(const struct packet *packet, const struct flow *flow)
{
	return (packet->key.source_port ^ flow->source_port) |
	       (__u32)(packet->key.destination_port ^ flow->destination_port) << 16;
}

/*
 * Of SCTP, after the ports have changed; addresses have no part in it. Zero stands for what the
 * device is to compute (CHECKSUM_PARTIAL).
 */
__noinline int mend_crc(struct __sk_buff *skb, __u32 change)
{
	struct packet *packet = packet_now();
	__u32 ports, *check, before, gain;
	__u64 sum;

	if (!packet)
		return 0;
	ports = packet->key.source_port | (__u32)packet->key.destination_port << 16;
	sum = (__u64)(ports ^ change) + (__u32)~ports;
	gain = crc32c_gain(change, packet->length - (packet->l4 - packet->l3));
	check = start_of(skb) + check_offset(packet);
	if ((void *)(check + 1) > end_of(skb))
		return 0;
	before = *check;
	if (before) {
		*check = before ^ gain;
		sum += (__u64)(before ^ gain) + (__u32)~before;
	}
	/* Of the whole packet, where the device has summed it (CHECKSUM_COMPLETE). */
	bpf_csum_update(skb, fold_sum(sum));
	return 0;
}

/* The helper knows what of the checksum is left to the device (CHECKSUM_PARTIAL). */
static __always_inline void mend_transport_check(struct __sk_buff *skb, const struct packet *packet,
						 const struct flow *flow)
{
	__u64 flags = packet->key.protocol == IPPROTO_TCP ? 0 : BPF_F_MARK_MANGLED_0;
	__u32 at = check_offset(packet);

	if (packet->key.protocol == IPPROTO_SCTP) {
		if (flow->port_sum)
			mend_crc(skb, port_change(packet, flow));
		return;
	}
	bpf_l4_csum_replace(skb, at, 0, flow->address_sum, BPF_F_PSEUDO_HDR | flags);
	if (flow->port_sum)
		bpf_l4_csum_replace(skb, at, 0, flow->port_sum, flags);
}

/* False: the headers cannot be reached. Nothing has been written then. */
static __always_inline bool rewrite(struct __sk_buff *skb, const struct packet *packet,
				    const struct flow *flow, bool forwarded, bool macs)
{
	void *frame = start_of(skb), *end = end_of(skb);
	void *network = frame + mac_header;
	struct ports *ports = frame + (packet->l4 & OFFSET_MASK);
	bool whole = packet->part != PART_LATER;

	if (network + IPV6_HEADER > end && (!packet->v4 || network + IPV4_HEADER > end))
		return false;
	if (whole) {
		if ((void *)(ports + 1) > end)
			return false;
		ports->source = flow->source_port;
		ports->destination = flow->destination_port;
	}
	if (macs && frame + mac_header <= end)
		rewrite_macs(frame, flow);
	if (packet->v4 && network + IPV4_HEADER <= end)
		rewrite_v4(network, flow, forwarded);
	else if (network + IPV6_HEADER <= end)
		rewrite_v6(skb, network, flow, forwarded);
	if (whole)
		mend_transport_check(skb, packet, flow);
	return true;
}

#endif
