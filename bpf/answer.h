/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Turns a packet that goes no further into the answer to its sender: reset, abort or ICMP error. */
#ifndef SLUICE_ANSWER_H
#define SLUICE_ANSWER_H

/* linux/if_packet.h */
#define PACKET_BROADCAST 1
#define PACKET_MULTICAST 2

#define ANSWER_TTL 64
/* Of the packet, in an ICMP error: both headers, whatever options they have. A multiple of 4. */
#define QUOTE 96

#define ICMP_UNREACHABLE 3
#define ICMP_PORT 3
#define ICMP_TOO_BIG_CODE 4
#define ICMP_TIME_EXCEEDED 11
#define ICMPV6_UNREACHABLE 1
#define ICMPV6_PORT 4
#define ICMPV6_TOO_BIG 2
#define ICMPV6_TIME_EXCEEDED 3

struct tcp_header {
	struct ports ports;
	__be32 sequence;
	__be32 acknowledgement;
	__u8 offset;
	__u8 flags;
	__be16 window;
	__u16 check;
	__be16 urgent;
};

struct sctp_header {
	struct ports ports;
	__be32 tag;
	__u32 check;
};

struct sctp_chunk {
	__u8 type;
	__u8 flags;
	__be16 length;
};

struct sctp_init {
	struct sctp_header header;
	struct sctp_chunk chunk;
	__be32 tag;
};

struct sctp_abort {
	struct sctp_header header;
	struct sctp_chunk chunk;
};

struct icmp_header {
	__u8 type;
	__u8 code;
	__u16 check;
	__be32 info;
};

static __always_inline __u16 fold_check(__u64 sum)
{
	__u32 folded = fold_sum(sum);

	folded = (folded & 0xffff) + (folded >> 16);
	return (folded & 0xffff) + (folded >> 16);
}

/* Source, destination, length and protocol, as transport checksums count them. */
static __always_inline __u64 pseudo_sum(const struct packet *packet, __u32 length, __u8 protocol)
{
	__u64 sum = bpf_htonl(length) + (__u64)bpf_htonl(protocol);
	int i;

	for (i = 0; i < 4; i++) {
		if (packet->v4 && i < 3)
			continue;
		sum += packet->key.source.word[i];
		sum += packet->key.destination.word[i];
	}
	return sum;
}

/* Of SCTP nothing is summed up before the device does it: the field is zero. */
static __always_inline bool is_crc_left_to_device(struct __sk_buff *skb, __u32 at)
{
	__u32 check;

	return !bpf_skb_load_bytes(skb, at, &check, sizeof(check)) && !check;
}

/*
 * Whether the device is to complete the transport checksum (CHECKSUM_PARTIAL), which programs are
 * not told: the helper then leaves the field alone where only ports seem to change.
 */
static __always_inline bool is_check_left_to_device(struct __sk_buff *skb,
						    const struct packet *packet)
{
	__u32 at = check_offset(packet);
	__u16 before = 0, after = 0;

	if (packet->key.protocol == IPPROTO_SCTP)
		return is_crc_left_to_device(skb, at);
	if (bpf_skb_load_bytes(skb, at, &before, sizeof(before)) ||
	    bpf_l4_csum_replace(skb, at, 0, bpf_htons(1), 0) ||
	    bpf_skb_load_bytes(skb, at, &after, sizeof(after)))
		return false;
	bpf_skb_store_bytes(skb, at, &before, sizeof(before), 0);
	return before == after;
}

/* Not what was sent to many, nor what nobody sends; of IPv4, no later fragment (RFC 1122 3.2.2). */
static __always_inline bool may_answer(const struct __sk_buff *skb, const struct packet *packet)
{
	__u32 type = skb->pkt_type;

	return type != PACKET_BROADCAST && type != PACKET_MULTICAST &&
	       !(packet->v4 && packet->part == PART_LATER) &&
	       address_is_host(&packet->key.source);
}

static __always_inline int send_back(struct __sk_buff *skb)
{
	__u8 macs[ETH_ADDRESSES], swapped[ETH_ADDRESSES];
	struct device *device;

	if (mac_header) {
		if (bpf_skb_load_bytes(skb, 0, macs, sizeof(macs)))
			return TC_ACT_SHOT;
		__builtin_memcpy(swapped, macs + 6, 6);
		__builtin_memcpy(swapped + 6, macs, 6);
		if (bpf_skb_store_bytes(skb, 0, swapped, sizeof(swapped), 0))
			return TC_ACT_SHOT;
	}
	device = device_of(skb->ifindex);
	if (device && device->flags & DEVICE_EXTERNAL)
		skb->tc_index = MARK_TRANSLATED;
	return bpf_redirect(skb->ifindex, 0);
}

/* The network header of the answer, from whom the packet was sent to. */
static __always_inline long store_network(struct __sk_buff *skb, const struct packet *packet,
					  __u32 payload, __u8 protocol)
{
	if (packet->v4) {
		struct ipv4_header ip = {
			.version_ihl = 0x45,
			.total_length = bpf_htons(IPV4_HEADER + payload),
			.fragment = bpf_htons(IPV4_DONT_FRAGMENT),
			.ttl = ANSWER_TTL,
			.protocol = protocol,
			.source = packet->key.destination.word[3],
			.destination = packet->key.source.word[3],
		};

		ip.check = ~fold_check((__u32)bpf_csum_diff(NULL, 0, (__be32 *)&ip, sizeof(ip), 0));
		return bpf_skb_store_bytes(skb, mac_header, &ip, sizeof(ip), 0);
	} else {
		struct ipv6_header ip = {
			.version_class_label = bpf_htonl(6U << 28),
			.payload_length = bpf_htons(payload),
			.next_header = protocol,
			.hop_limit = ANSWER_TTL,
			.source = packet->key.destination,
			.destination = packet->key.source,
		};

		return bpf_skb_store_bytes(skb, mac_header, &ip, sizeof(ip), 0);
	}
}

/* Sum of the quoted bytes from an offset on. */
static __noinline __u32 quote_sum(struct __sk_buff *skb, __u32 at, __u32 bytes)
{
	__be32 quote[QUOTE / 4] = {};

	if (bytes > sizeof(quote))
		return 0;
	/* Kept apart: the verifier of 5.10 sees no bound in what clang makes of both comparisons. */
	asm volatile("" : "+r"(bytes));
	if (bytes < sizeof(quote[0]) || bpf_skb_load_bytes(skb, at, quote, bytes))
		return 0;
	return bpf_csum_diff(NULL, 0, quote, sizeof(quote), 0);
}

/*
 * What the device will make of SCTP's checksum, which is zero now; unless the quote ends before it.
 * Word by word, since a kernel of 5.10 counts 512 bytes of stack for all functions on the way here.
 */
static __noinline __u32 quote_crc(struct __sk_buff *skb, __u32 at, __u32 bytes)
{
	__u32 crc = ~0U, i, word;

	if (bytes < sizeof(struct sctp_header))
		return 0;
	for (i = 0; i < QUOTE && i < bytes; i += sizeof(word)) {
		if (bpf_skb_load_bytes(skb, at + i, &word, sizeof(word)))
			return 0;
		crc = crc32c_multiply(crc ^ word, CRC32C_X32);
	}
	return ~crc;
}

/* What the device will make of the quoted checksum, less what stands there now. */
static __always_inline __u64 completion_gain(struct __sk_buff *skb, const struct packet *packet,
					     __u32 room, __u32 quote)
{
	__u32 transport = packet->l4 + room, bytes = quote - (packet->l4 - packet->l3);
	__u16 now = 0, then;

	if (packet->key.protocol == IPPROTO_SCTP)
		return quote_crc(skb, transport, bytes);
	then = ~fold_check(quote_sum(skb, transport, bytes));
	bpf_skb_load_bytes(skb, check_offset(packet) + room, &now, sizeof(now));
	return (__u64)then + (__u16)~now;
}

/* An ICMP error about the packet, which quotes its beginning (RFC 792, RFC 4443). */
__noinline int answer_icmp(struct __sk_buff *skb, __u8 type, __u8 code, __u32 info)
{
	struct icmp_header icmp = { .type = type, .code = code, .info = bpf_htonl(info) };
	struct packet *packet = packet_now();
	__u32 header, quote, room;
	__u8 protocol;
	__u64 sum;
	bool left;

	if (!packet || !may_answer(skb, packet))
		return TC_ACT_SHOT;
	header = packet->v4 ? IPV4_HEADER : IPV6_HEADER;
	protocol = packet->v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	quote = (packet->length > QUOTE ? QUOTE : packet->length) & ~3U;
	room = header + ICMP_HEADER;
	left = packet->part == PART_WHOLE && is_check_left_to_device(skb, packet);
	if (bpf_skb_change_tail(skb, mac_header + quote, 0) ||
	    bpf_skb_adjust_room(skb, room, BPF_ADJ_ROOM_MAC, 0) ||
	    store_network(skb, packet, ICMP_HEADER + quote, protocol))
		return TC_ACT_SHOT;
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&icmp, sizeof(icmp), 0);
	sum += quote_sum(skb, mac_header + room, quote);
	if (left)
		sum += completion_gain(skb, packet, room, quote);
	if (!packet->v4)
		sum += pseudo_sum(packet, ICMP_HEADER + quote, protocol);
	icmp.check = ~fold_check(sum);
	if (bpf_skb_store_bytes(skb, mac_header + header, &icmp, sizeof(icmp), 0))
		return TC_ACT_SHOT;
	return send_back(skb);
}

/* A reset that answers a SYN (RFC 9293, 3.10.7.1). */
__noinline int answer_reset(struct __sk_buff *skb)
{
	struct packet *packet = packet_now();
	struct tcp_header tcp = {};
	__u32 header;
	__u64 sum;
	bool left;

	if (!packet || !may_answer(skb, packet))
		return TC_ACT_SHOT;
	header = packet->l4 - packet->l3;
	left = is_check_left_to_device(skb, packet);
	if (bpf_skb_load_bytes(skb, packet->l4, &tcp, sizeof(tcp)) ||
	    bpf_skb_change_tail(skb, mac_header + header + TCP_HEADER, 0) ||
	    store_network(skb, packet, TCP_HEADER, IPPROTO_TCP))
		return TC_ACT_SHOT;
	tcp.acknowledgement =
		bpf_htonl(bpf_ntohl(tcp.sequence) + 1 + packet->length - packet->headers);
	tcp.sequence = 0;
	tcp.ports.source = packet->key.destination_port;
	tcp.ports.destination = packet->key.source_port;
	tcp.offset = TCP_HEADER / 4 << 4;
	tcp.flags = TCP_RST | TCP_ACK;
	tcp.window = 0;
	tcp.check = 0;
	tcp.urgent = 0;
	sum = pseudo_sum(packet, TCP_HEADER, IPPROTO_TCP);
	if (left)
		tcp.check = fold_check(sum);
	else
		tcp.check = ~fold_check(
			sum + (__u32)bpf_csum_diff(NULL, 0, (__be32 *)&tcp, sizeof(tcp), 0));
	if (bpf_skb_store_bytes(skb, packet->l4, &tcp, sizeof(tcp), 0))
		return TC_ACT_SHOT;
	return send_back(skb);
}

/* An abort that answers an INIT, under the tag that it names (RFC 9260 5.1, 8.4). */
__noinline int answer_abort(struct __sk_buff *skb)
{
	struct packet *packet = packet_now();
	struct sctp_abort abort = {};
	struct sctp_init init = {};
	__u32 header;

	if (!packet || !may_answer(skb, packet))
		return TC_ACT_SHOT;
	header = packet->l4 - packet->l3;
	if (header + sizeof(init) > packet->length ||
	    bpf_skb_load_bytes(skb, packet->l4, &init, sizeof(init)) ||
	    bpf_skb_change_tail(skb, mac_header + header + sizeof(abort), 0) ||
	    store_network(skb, packet, sizeof(abort), IPPROTO_SCTP))
		return TC_ACT_SHOT;
	abort.header.ports.source = packet->key.destination_port;
	abort.header.ports.destination = packet->key.source_port;
	abort.header.tag = init.tag;
	abort.chunk.type = SCTP_ABORT;
	abort.chunk.length = bpf_htons(sizeof(abort.chunk));
	if (init.header.check)
		abort.header.check = crc32c((__u32 *)&abort, sizeof(abort) / sizeof(__u32));
	if (bpf_skb_store_bytes(skb, packet->l4, &abort, sizeof(abort), 0))
		return TC_ACT_SHOT;
	return send_back(skb);
}

/*
 * "Connection refused", as the client's system understands it. To SCTP a port that is unreachable
 * may be reachable the next moment: it would go on trying.
 */
static __always_inline int refuse(struct __sk_buff *skb, const struct packet *packet)
{
	__u32 header = packet->l4 - packet->l3;
	bool plain = packet->part == PART_WHOLE &&
		     header == (packet->v4 ? IPV4_HEADER : IPV6_HEADER);

	if (plain && packet->key.protocol == IPPROTO_TCP)
		return answer_reset(skb);
	if (plain && packet->key.protocol == IPPROTO_SCTP)
		return answer_abort(skb);
	if (packet->v4)
		return answer_icmp(skb, ICMP_UNREACHABLE, ICMP_PORT, 0);
	return answer_icmp(skb, ICMPV6_UNREACHABLE, ICMPV6_PORT, 0);
}

static __always_inline int answer_too_big(struct __sk_buff *skb, const struct packet *packet,
					  __u32 mtu)
{
	if (packet->v4)
		return answer_icmp(skb, ICMP_UNREACHABLE, ICMP_TOO_BIG_CODE, mtu);
	return answer_icmp(skb, ICMPV6_TOO_BIG, 0, mtu);
}

static __always_inline int answer_time_exceeded(struct __sk_buff *skb, const struct packet *packet)
{
	if (packet->v4)
		return answer_icmp(skb, ICMP_TIME_EXCEEDED, 0, 0);
	return answer_icmp(skb, ICMPV6_TIME_EXCEEDED, 0, 0);
}

#endif
