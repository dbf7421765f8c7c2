/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP errors about translated packets: both the error and the packet in it (PF-29, RFC 5508). */
#ifndef SLUICE_ICMP_H
#define SLUICE_ICMP_H

/* The beginning of the embedded packet, as far as it is rewritten. */
struct embedded {
	__be32 network[IPV6_HEADER / 4];
	__be32 transport[2]; /* ports, and of UDP the length and the checksum, of SCTP the tag */
	__u32 at;            /* offsets in the frame */
	__u32 transport_at;
};

/* Where in `embedded.network` the addresses are, in words. */
#define V4_CHECK_WORD 2
#define V4_SOURCE_WORD 3
#define V6_SOURCE_WORD 2

/* Reads the packet that the error is about, and the key of the packets that answer it. */
static __always_inline bool read_embedded(struct __sk_buff *skb, const struct packet *packet,
					  struct embedded *in, struct flow_key *key)
{
	__u32 at = (packet->l4 & OFFSET_MASK) + ICMP_HEADER;
	__u8 *bytes = (__u8 *)in->network;
	__u32 header = IPV6_HEADER;

	in->at = at;
	if (packet->v4) {
		if (bpf_skb_load_bytes(skb, at, in->network, IPV4_HEADER))
			return false;
		header = (bytes[0] & 15) * 4;
		/* A later fragment has no ports. */
		if (bytes[0] >> 4 != 4 || header < IPV4_HEADER ||
		    (bytes[6] & 0x1f) || bytes[7])
			return false;
		key->protocol = bytes[9];
		key->destination = address_of_v4(in->network[V4_SOURCE_WORD]);
		key->source = address_of_v4(in->network[V4_SOURCE_WORD + 1]);
	} else {
		if (bpf_skb_load_bytes(skb, at, in->network, IPV6_HEADER))
			return false;
		if (bytes[0] >> 4 != 6)
			return false;
		key->protocol = bytes[6];
		if (key->protocol == IPPROTO_FRAGMENT) {
			if (bpf_skb_load_bytes(skb, at + header, in->transport,
					       sizeof(in->transport)) ||
			    in->transport[0] & bpf_htonl(IPV6_FRAGMENT_OFFSET))
				return false;
			key->protocol = *(__u8 *)in->transport;
			header += FRAGMENT_HEADER;
		}
		__builtin_memcpy(&key->destination, in->network + V6_SOURCE_WORD, 16);
		__builtin_memcpy(&key->source, in->network + V6_SOURCE_WORD + 4, 16);
	}
	if (!has_ports(key->protocol))
		return false;
	in->transport_at = at + header;
	/* Bytes behind the packet are no part of it, nor of its checksum. */
	if (in->transport_at + sizeof(in->transport) > packet->l3 + packet->length ||
	    bpf_skb_load_bytes(skb, in->transport_at, in->transport, sizeof(in->transport)))
		return false;
	key->destination_port = ((struct ports *)in->transport)->source;
	key->source_port = ((struct ports *)in->transport)->destination;
	return true;
}

/* What the embedded packet was before it was translated. Gives what its bytes' sum gains. */
static __always_inline __u32 restore_embedded(struct embedded *in, const struct packet *packet,
					      const struct flow *flow, __u8 protocol)
{
	struct ports *ports = (struct ports *)in->transport;
	__u16 *check = (__u16 *)in->transport + 3;
	__u32 gain;

	if (packet->v4) {
		__u16 *header_check = (__u16 *)(in->network + V4_CHECK_WORD) + 1;

		in->network[V4_SOURCE_WORD] = flow->destination.word[3];
		in->network[V4_SOURCE_WORD + 1] = flow->source.word[3];
		*header_check = mend_check(*header_check, flow->address_sum);
		gain = 0;
	} else {
		__builtin_memcpy(in->network + V6_SOURCE_WORD, &flow->destination, 16);
		__builtin_memcpy(in->network + V6_SOURCE_WORD + 4, &flow->source, 16);
		gain = flow->address_sum;
	}
	ports->source = flow->destination_port;
	ports->destination = flow->source_port;
	if (protocol == IPPROTO_UDP && *check) {
		__u16 before = *check;

		*check = mend_check(before, fold_sum((__u64)flow->address_sum + flow->port_sum));
		if (!*check)
			*check = 0xffff;
		gain = fold_sum((__u64)gain + *check + (__u16)~before);
	}
	return fold_sum((__u64)gain + flow->port_sum);
}

static __always_inline long store_embedded(struct __sk_buff *skb, const struct packet *packet,
					   const struct embedded *in)
{
	if (bpf_skb_store_bytes(skb, in->transport_at, in->transport, sizeof(in->transport), 0))
		return -1;
	if (packet->v4)
		return bpf_skb_store_bytes(skb, in->at, in->network, IPV4_HEADER, 0);
	return bpf_skb_store_bytes(skb, in->at, in->network, IPV6_HEADER, 0);
}

/*
 * The outer addresses. The error is sent to whom the embedded packet came from. It comes from the
 * other end of the flow, which is translated; or from a router between, which stays unless the flow
 * is masqueraded: the router may lie between client and node as well, and takes no packet that bears
 * its own address.
 */
static __always_inline void address_error(const struct packet *packet, const struct flow_key *key,
					  const struct flow *flow, struct flow *error)
{
	*error = *flow;
	error->source = packet->key.source;
	if (address_equal(&packet->key.source, &key->source) || flow->flags & FLOW_MASQUERADE)
		error->source = flow->source;
	error->address_sum = fold_sum(address_gain(&packet->key.source, &error->source) +
				      address_gain(&packet->key.destination, &error->destination));
}

static __always_inline bool rewrite_error(struct __sk_buff *skb, const struct packet *packet,
					  const struct flow *error, __u32 gain, bool forwarded,
					  bool macs)
{
	__u32 check_at = (packet->l4 & OFFSET_MASK) + 2;
	void *frame = start_of(skb), *end = end_of(skb);
	void *network = frame + mac_header;

	if (network + IPV6_HEADER > end && (!packet->v4 || network + IPV4_HEADER > end))
		return false;
	if (macs && frame + mac_header <= end)
		rewrite_macs(frame, error);
	if (packet->v4 && network + IPV4_HEADER <= end)
		rewrite_v4(network, error, forwarded);
	else if (network + IPV6_HEADER <= end)
		rewrite_v6(skb, network, error, forwarded);
	if (!packet->v4)
		bpf_l4_csum_replace(skb, check_at, 0, error->address_sum, BPF_F_PSEUDO_HDR);
	bpf_l4_csum_replace(skb, check_at, 0, gain, 0);
	return true;
}

__noinline int translate_error(struct __sk_buff *skb, __u32 hook)
{
	struct packet *packet = packet_now();
	struct flow_key key = {};
	struct embedded in = {};
	struct flow *flow, error;
	bool forwarded, macs;
	__u32 gain;

	if (!packet || !read_embedded(skb, packet, &in, &key))
		return TC_ACT_UNSPEC;
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow || !is_translated_at(flow, hook) ||
	    !address_equal(&packet->key.destination, &key.destination))
		return TC_ACT_UNSPEC;
	forwarded = skips_stack(flow, hook);
	if (forwarded && find_route(skb, flow, key.protocol, skb->ifindex) != ROUTE_AWAY) {
		count_packet(skb, REASON_DROPPED_NO_ROUTE);
		return TC_ACT_SHOT;
	}
	if (forwarded && packet->ttl <= 1) {
		count_packet(skb, REASON_DROPPED_TTL);
		return TC_ACT_SHOT;
	}
	address_error(packet, &key, flow, &error);
	gain = restore_embedded(&in, packet, flow, key.protocol);
	macs = forwarded && mac_header && has_neighbour(&error);
	if (store_embedded(skb, packet, &in) ||
	    !rewrite_error(skb, packet, &error, gain, forwarded, macs))
		return TC_ACT_SHOT;
	count_packet(skb, REASON_ICMP_TRANSLATED);
	return forwarded ? redirect(skb, &error, false) : TC_ACT_UNSPEC;
}

#endif
