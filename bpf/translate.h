/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A packet of a known flow: rewritten, counted, and sent on its way. */
#ifndef SLUICE_TRANSLATE_H
#define SLUICE_TRANSLATE_H

static __always_inline void count_translated(const struct __sk_buff *skb, const struct flow *flow)
{
	struct service_stats *stats = stats_of(flow->service);
	__u64 packets = skb->gso_segs > 1 ? skb->gso_segs : 1;
	__u64 bytes = skb->len - mac_header;

	if (!stats)
		return;
	if (flow->flags & FLOW_REPLY) {
		stats->reply_packets += packets;
		stats->reply_bytes += bytes;
	} else {
		stats->request_packets += packets;
		stats->request_bytes += bytes;
	}
}

/*
 * A packet that cannot skip the stack. Where the stack knows both ends of the flow it takes over,
 * answers included; where the node stands in for the client, the answer is ours.
 */
static __always_inline int stay(struct __sk_buff *skb, const struct packet *packet,
				const struct flow *flow)
{
	if (flow->flags & FLOW_MASQUERADE) {
		if (packet->ttl <= 1) {
			count_packet(skb, REASON_DROPPED_TTL);
			return answer_time_exceeded(skb, packet);
		}
		count_packet(skb, REASON_REFUSED_TOO_BIG);
		return answer_too_big(skb, packet, flow->mtu);
	}
	/* Its reply is translated where it leaves. */
	if (!(flow->flags & FLOW_REPLY))
		rewrite(skb, packet, flow, false, false);
	return TC_ACT_UNSPEC;
}

/* SCTP's checksum goes by the length of the whole packet, which a fragment does not know. */
static __always_inline bool is_beyond_mending(const struct packet *packet, const struct flow *flow)
{
	return packet->part != PART_WHOLE && packet->key.protocol == IPPROTO_SCTP &&
	       flow->port_sum;
}

static __always_inline int translate(struct __sk_buff *skb, const struct packet *packet,
				     const struct flow *flow, enum hook hook, bool confirm)
{
	bool macs;

	if (is_beyond_mending(packet, flow)) {
		count_packet(skb, REASON_DROPPED_FRAGMENT);
		return TC_ACT_SHOT;
	}
	if (!skips_stack(flow, hook)) {
		count_translated(skb, flow);
		rewrite(skb, packet, flow, false, false);
		return TC_ACT_UNSPEC;
	}
	if (!flow->device) {
		count_packet(skb, REASON_DROPPED_NO_ROUTE);
		return TC_ACT_SHOT;
	}
	if (packet->ttl <= 1 || is_too_big(skb, packet, flow))
		return stay(skb, packet, flow);
	count_translated(skb, flow);
	macs = mac_header && has_neighbour(flow);
	if (!rewrite(skb, packet, flow, true, macs))
		return TC_ACT_SHOT;
	return redirect(skb, flow, confirm);
}

#endif
