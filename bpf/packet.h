/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From bytes to addresses and ports. Reads only; linearises what it reads and nothing else (PF-32). */
#ifndef SLUICE_PACKET_H
#define SLUICE_PACKET_H

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define ETH_ADDRESSES 12
#define ETHERNET_HEADER 14

/* linux/in6.h has these beside types that kernel.h has too. */
#define IPPROTO_HOPOPTS 0
#define IPPROTO_ROUTING 43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_ICMPV6 58
#define IPPROTO_DSTOPTS 60

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define FRAGMENT_HEADER 8
#define PORTS 4
#define UDP_HEADER 8
#define TCP_HEADER 20
#define ICMP_HEADER 8
#define TCP_OFFSET_AT 12
#define TCP_FLAGS_AT 13

#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_DONT_FRAGMENT 0x4000
#define IPV4_FRAGMENT_OFFSET 0x1fff
#define IPV6_FRAGMENT_OFFSET 0xfff8
#define IPV6_MORE_FRAGMENTS 1
#define EXTENSION_HEADERS 8

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16

#define SCTP_HEADER 12
#define SCTP_CHUNK_HEADER 4
#define SCTP_INIT 1
#define SCTP_ABORT 6
#define SCTP_SHUTDOWN 7
#define SCTP_SHUTDOWN_ACK 8
#define SCTP_SHUTDOWN_COMPLETE 14

/* Bounds an offset into a packet for verifiers that lose track of it. */
#define OFFSET_MASK 0x3ff

enum parsed {
	PARSED_OTHER,      /* nothing that is ever translated */
	PARSED_FLOW,       /* TCP, UDP or SCTP, with ports */
	PARSED_ICMP_ERROR, /* the transport offset is that of the ICMP header */
	PARSED_TRUNCATED,
	PARSED_ROUTING_HEADER,
	PARSED_FRAGMENT_WITHOUT_FIRST,
};

/* Fields of the headers that are read or written in place. */
struct ipv4_header {
	__u8 version_ihl;
	__u8 tos;
	__be16 total_length;
	__be16 identification;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__u16 check;
	__be32 source;
	__be32 destination;
};

struct ipv6_header {
	__be32 version_class_label;
	__be16 payload_length;
	__u8 next_header;
	__u8 hop_limit;
	struct address source;
	struct address destination;
};

struct ports {
	__be16 source;
	__be16 destination;
};

static __always_inline void *start_of(const struct __sk_buff *skb)
{
	return (void *)(long)skb->data;
}

static __always_inline void *end_of(const struct __sk_buff *skb)
{
	return (void *)(long)skb->data_end;
}

/* Whether the first bytes of the frame can be read in place. */
static __always_inline bool reach(struct __sk_buff *skb, __u32 bytes)
{
	if (start_of(skb) + bytes <= end_of(skb))
		return true;
	return bytes <= skb->len && !bpf_skb_pull_data(skb, bytes);
}

/* The first fragment names the ports of the others. */
static __always_inline enum parsed match_fragment(struct packet *packet)
{
	struct fragment_key key = {
		.source = packet->key.source,
		.destination = packet->key.destination,
		.identification = packet->identification,
		.protocol = packet->key.protocol,
	};
	struct fragment ports, *known;

	if (packet->part == PART_FIRST) {
		ports.source_port = packet->key.source_port;
		ports.destination_port = packet->key.destination_port;
		bpf_map_update_elem(&fragments, &key, &ports, BPF_ANY);
		return PARSED_FLOW;
	}
	known = bpf_map_lookup_elem(&fragments, &key);
	if (!known)
		return PARSED_FRAGMENT_WITHOUT_FIRST;
	packet->key.source_port = known->source_port;
	packet->key.destination_port = known->destination_port;
	return PARSED_FLOW;
}

static __always_inline bool is_icmp_error(bool v4, __u8 type)
{
	if (v4)
		return type == 3 || type == 11 || type == 12;
	return type >= 1 && type <= 4;
}

static __always_inline bool has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

/*
 * What the first chunk of an SCTP packet means to its flow, in TCP's words: those that begin or end
 * an association come alone or first (RFC 9260 6.10).
 */
static __always_inline __u8 flags_of_chunk(__u8 type)
{
	switch (type) {
	case SCTP_INIT:
		return TCP_SYN;
	case SCTP_ABORT:
	case SCTP_SHUTDOWN_COMPLETE:
		return TCP_RST;
	case SCTP_SHUTDOWN:
	case SCTP_SHUTDOWN_ACK:
		return TCP_FIN | TCP_ACK;
	default:
		return TCP_ACK;
	}
}

static __always_inline __u32 least_header(__u8 protocol)
{
	if (protocol == IPPROTO_TCP)
		return TCP_HEADER;
	return protocol == IPPROTO_SCTP ? SCTP_HEADER : UDP_HEADER;
}

/*
 * SCTP's common header can be read in place. Of a packet that the device is to cut (GSO_BY_FRAGS)
 * nothing else may be brought there: it would be taken for a part of the header, in each segment.
 */
static __always_inline bool read_chunk(struct __sk_buff *skb, struct packet *packet, __u32 at)
{
	__u8 type;

	if (at - packet->l3 + SCTP_CHUNK_HEADER > packet->length ||
	    bpf_skb_load_bytes(skb, at, &type, sizeof(type)))
		return false;
	packet->tcp = flags_of_chunk(type);
	return true;
}

/* What follows the network header. */
static __always_inline enum parsed parse_transport(struct __sk_buff *skb, struct packet *packet)
{
	__u32 l4 = packet->l4 & OFFSET_MASK;
	__u8 protocol = packet->key.protocol;
	__u32 bytes = least_header(protocol);
	__u8 *header;

	if (!has_ports(protocol) && protocol != (packet->v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return PARSED_OTHER;
	if (packet->part == PART_LATER)
		return has_ports(protocol) ? match_fragment(packet) : PARSED_OTHER;
	if (l4 - packet->l3 + bytes > packet->length || !reach(skb, l4 + bytes))
		return PARSED_TRUNCATED;
	header = start_of(skb) + l4;
	if ((void *)(header + UDP_HEADER) > end_of(skb))
		return PARSED_TRUNCATED;
	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
		return packet->part == PART_WHOLE && is_icmp_error(packet->v4, header[0]) ?
			       PARSED_ICMP_ERROR : PARSED_OTHER;
	packet->key.source_port = ((struct ports *)header)->source;
	packet->key.destination_port = ((struct ports *)header)->destination;
	if (protocol == IPPROTO_TCP) {
		if ((void *)(header + TCP_HEADER) > end_of(skb))
			return PARSED_TRUNCATED;
		packet->tcp = header[TCP_FLAGS_AT];
		bytes = (header[TCP_OFFSET_AT] >> 4) * 4;
	} else if (protocol == IPPROTO_SCTP && !read_chunk(skb, packet, l4 + SCTP_HEADER)) {
		return PARSED_TRUNCATED;
	}
	packet->headers = l4 - packet->l3 + bytes;
	return packet->part == PART_FIRST ? match_fragment(packet) : PARSED_FLOW;
}

static __always_inline enum parsed parse_v4(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv4_header *ip;
	__u32 header, fragment;

	if (!reach(skb, mac_header + IPV4_HEADER))
		return PARSED_TRUNCATED;
	ip = start_of(skb) + mac_header;
	if ((void *)(ip + 1) > end_of(skb))
		return PARSED_TRUNCATED;
	header = (ip->version_ihl & 15) * 4;
	/* Packets beyond 64 KiB say 0 (BIG TCP). */
	packet->length = ip->total_length || !skb->gso_size ? bpf_ntohs(ip->total_length) :
							       skb->len - mac_header;
	if (ip->version_ihl >> 4 != 4 || header < IPV4_HEADER || packet->length < header ||
	    packet->length > skb->len - mac_header)
		return PARSED_TRUNCATED;
	packet->v4 = true;
	packet->l4 = mac_header + header;
	packet->ttl = ip->ttl;
	packet->key.source = address_of_v4(ip->source);
	packet->key.destination = address_of_v4(ip->destination);
	packet->key.protocol = ip->protocol;
	fragment = bpf_ntohs(ip->fragment);
	packet->identification = ip->identification;
	if (fragment & IPV4_FRAGMENT_OFFSET)
		packet->part = PART_LATER;
	else if (fragment & IPV4_MORE_FRAGMENTS)
		packet->part = PART_FIRST;
	return PARSED_FLOW;
}

/* Walks the extension headers to the transport header (RFC 8200). enum parsed. */
__noinline int skip_extensions(struct __sk_buff *skb)
{
	struct packet *packet = packet_now();
	__u8 header[8], next;
	__u32 at;
	int i;

	if (!packet)
		return PARSED_OTHER;
	at = packet->l4;
	next = packet->key.protocol;
	for (i = 0; i < EXTENSION_HEADERS; i++) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
		    next != IPPROTO_FRAGMENT && next != IPPROTO_AH) {
			packet->key.protocol = next;
			packet->l4 = at;
			return PARSED_FLOW;
		}
		if (at - packet->l3 + sizeof(header) > packet->length ||
		    bpf_skb_load_bytes(skb, at, header, sizeof(header)))
			return PARSED_TRUNCATED;
		if (next == IPPROTO_ROUTING && header[3])
			return PARSED_ROUTING_HEADER;
		if (next == IPPROTO_FRAGMENT) {
			__u16 fragment = header[2] << 8 | header[3];

			__builtin_memcpy(&packet->identification, header + 4, 4);
			if (fragment & IPV6_FRAGMENT_OFFSET)
				packet->part = PART_LATER;
			else if (fragment & IPV6_MORE_FRAGMENTS)
				packet->part = PART_FIRST;
			at += FRAGMENT_HEADER;
		} else if (next == IPPROTO_AH) {
			at += (header[1] + 2) * 4;
		} else {
			at += (header[1] + 1) * 8;
		}
		next = header[0];
		/* Nothing but the fragment's own bytes follows. */
		if (packet->part == PART_LATER) {
			packet->key.protocol = next;
			packet->l4 = at;
			return PARSED_FLOW;
		}
		if (at > OFFSET_MASK - TCP_HEADER)
			return PARSED_OTHER;
	}
	return PARSED_OTHER;
}

static __always_inline enum parsed parse_v6(struct __sk_buff *skb, struct packet *packet)
{
	struct ipv6_header *ip;

	if (!reach(skb, mac_header + IPV6_HEADER))
		return PARSED_TRUNCATED;
	ip = start_of(skb) + mac_header;
	if ((void *)(ip + 1) > end_of(skb))
		return PARSED_TRUNCATED;
	packet->length = ip->payload_length || !skb->gso_size ?
				 bpf_ntohs(ip->payload_length) + IPV6_HEADER :
				 skb->len - mac_header;
	if (packet->length > skb->len - mac_header ||
	    (bpf_ntohl(ip->version_class_label) >> 28) != 6)
		return PARSED_TRUNCATED;
	packet->l4 = mac_header + IPV6_HEADER;
	packet->ttl = ip->hop_limit;
	packet->key.source = ip->source;
	packet->key.destination = ip->destination;
	packet->key.protocol = ip->next_header;
	if (ip->next_header == IPPROTO_TCP || ip->next_header == IPPROTO_UDP ||
	    ip->next_header == IPPROTO_ICMPV6 || ip->next_header == IPPROTO_SCTP)
		return PARSED_FLOW;
	return skip_extensions(skb);
}

static __always_inline enum parsed parse(struct __sk_buff *skb, struct packet *packet)
{
	enum parsed parsed;

	packet->l3 = mac_header;
	packet->part = PART_WHOLE;
	packet->v4 = false;
	packet->tcp = 0;
	/* A tagged frame is its VLAN device's, and so met there. */
	if (skb->vlan_present && skb->vlan_tci & 0xfff)
		return PARSED_OTHER;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		parsed = parse_v4(skb, packet);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		parsed = parse_v6(skb, packet);
	else
		return PARSED_OTHER;
	return parsed == PARSED_FLOW ? parse_transport(skb, packet) : parsed;
}

#endif
