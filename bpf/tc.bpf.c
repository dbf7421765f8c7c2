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
#include "kernel.h"
#include "address.h"
#include "service.h"
#include "affinity.h"
#include "source_range.h"
#include "flow_state.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Bytes of the link-layer header; 0 on devices that have none (WireGuard, ipip, tun). */
const volatile __u32 mac_header = 14;

#include "scratch.h"
#include "packet.h"
#include "count.h"
#include "crc32c.h"
#include "nat.h"
#include "flow.h"
#include "route.h"
#include "answer.h"
#include "translate.h"
#include "refresh.h"
#include "icmp.h"
#include "open.h"
#include "expire.h"

static __always_inline int drop(struct __sk_buff *skb, __u32 reason)
{
	count_packet(skb, reason);
	return TC_ACT_SHOT;
}

/* No backend is eligible (KP-14). */
static __always_inline int turn_away(struct __sk_buff *skb, const struct packet *packet,
				     const struct found *found, __u8 slice,
				     struct service_stats *stats)
{
	COUNT(stats, refused);
	if (found->kind != FRONTEND_CLUSTER_IP && slice == BACKEND_IN_LOCAL &&
	    found->service->cluster >> 32)
		return drop(skb, REASON_DROPPED_NO_LOCAL_ENDPOINT);
	count_packet(skb, REASON_REFUSED_NO_ENDPOINT);
	return refuse(skb, packet);
}

/* A packet that no flow knows: the first of one, or none of ours. */
__noinline int begin(struct __sk_buff *skb, __u32 hook)
{
	enum origin origin = hook == HOOK_FROM_POD ? ORIGIN_INSIDE : ORIGIN_OUTSIDE;
	struct settings *settings = settings_now();
	struct service_stats *stats;
	struct scratch *opening = scratch_now();
	struct choice choice;
	struct packet *packet;
	struct found found;
	struct flow *flow;
	__u8 slice;
	int reason;

	if (!opening || !settings)
		return TC_ACT_UNSPEC;
	packet = &opening->packet;
	switch (find_service(&packet->key.destination, packet->key.destination_port,
			     packet->key.protocol, &found)) {
	case LOOKUP_NONE:
		give_way(opening);
		return TC_ACT_UNSPEC;
	case LOOKUP_UNSERVED:
		count_packet(skb, REASON_REFUSED_NO_SERVICE);
		return refuse(skb, packet);
	case LOOKUP_SERVICE:
		break;
	}
	if (found.kind == FRONTEND_CLUSTER_IP && origin == ORIGIN_OUTSIDE &&
	    !(settings->flags & SETTINGS_CLUSTER_IP_FROM_OUTSIDE))
		return TC_ACT_UNSPEC;
	stats = stats_of(found.index);
	if (found.flags & FRONTEND_SOURCE_RANGES &&
	    !is_in_source_ranges(found.index, &packet->key.source)) {
		COUNT(stats, denied);
		return drop(skb, REASON_DROPPED_SOURCE_RANGE);
	}
	slice = slice_for(&found, origin);
	if (!select_last(opening, &found, slice, &choice) &&
	    !select_for(&packet->key, &found, slice, stats, &choice))
		return turn_away(skb, packet, &found, slice, stats);
	reason = open_flow(skb, packet, &found, slice, &choice, opening, hook);
	flow = &opening->request;
	if (reason == REASONS) {
		flow = bpf_map_lookup_elem(&flows, &packet->key);
		if (!flow)
			return drop(skb, REASON_DROPPED_NO_MEMORY);
	} else {
		count_packet(skb, reason);
		if (reason != REASON_NEW_FLOW && reason != REASON_RESELECTED_FLOW)
			return TC_ACT_SHOT;
		COUNT(stats, connections);
	}
	return translate(skb, packet, flow, hook, !(bpf_get_prandom_u32() & 7));
}

static __always_inline int pass_on(struct __sk_buff *skb, enum parsed parsed)
{
	if (parsed == PARSED_TRUNCATED)
		count_packet(skb, REASON_TRUNCATED);
	if (parsed == PARSED_ROUTING_HEADER)
		count_packet(skb, REASON_ROUTING_HEADER);
	if (parsed == PARSED_FRAGMENT_WITHOUT_FIRST)
		count_packet(skb, REASON_FRAGMENT_WITHOUT_FIRST);
	return TC_ACT_UNSPEC;
}

/* A first packet at the place of a connection that either end has closed. */
static __always_inline bool is_over(const struct packet *packet, const struct flow *flow)
{
	return has_handshake(packet->key.protocol) && begins_flow(packet) &&
	       !(flow->flags & FLOW_REPLY) && flow->tcp & (FLOW_TCP_FIN | FLOW_TCP_RST);
}

/* Whether more is due than to translate: a new tick has begun, or perhaps a new connection. */
static __always_inline bool must_refresh(const struct flow *flow, __u32 now, __u8 shown)
{
	return flow->last_seen != now || (shown & FLOW_TCP_SYN && !(flow->flags & FLOW_REPLY));
}

static __always_inline int handle(struct __sk_buff *skb, enum hook hook)
{
	struct scratch *scratch = scratch_now();
	struct packet *packet;
	enum parsed parsed;
	struct flow *flow;
	bool confirm;
	__u32 now;
	__u8 shown;

	if (!scratch)
		return TC_ACT_UNSPEC;
	packet = &scratch->packet;
	parsed = parse(skb, packet);
	if (parsed == PARSED_ICMP_ERROR)
		return translate_error(skb, hook);
	if (parsed != PARSED_FLOW)
		return pass_on(skb, parsed);
	flow = bpf_map_lookup_elem(&flows, &packet->key);
	if (flow && !is_translated_at(flow, hook))
		return TC_ACT_UNSPEC;
	if (flow && !must_leave(packet, flow) && !is_over(packet, flow)) {
		now = tick_now();
		shown = shown_by(packet);
		if (!must_refresh(flow, now, shown)) {
			if (shown & ~flow->tcp)
				flow->tcp |= shown;
			return translate(skb, packet, flow, hook, false);
		}
		confirm = flow->last_seen != now;
		if (refresh(skb, now))
			return translate(skb, packet, flow, hook, confirm);
	}
	if (hook == HOOK_EGRESS || !begins_flow(packet))
		return TC_ACT_UNSPEC;
	if (flow)
		key_of_other(packet->key.protocol, flow, &scratch->ended_key);
	else
		scratch->ended_key.protocol = 0;
	return begin(skb, hook);
}

/* Ingress of devices that lead out of the node. */
SEC("tc")
int sluice_from_outside(struct __sk_buff *skb)
{
	/* Only what is addressed to this host at the link layer. */
	if (skb->pkt_type)
		return TC_ACT_UNSPEC;
	return handle(skb, HOOK_FROM_OUTSIDE);
}

/* Egress: replies that climbed the stack. */
SEC("tc")
int sluice_to_outside(struct __sk_buff *skb)
{
	if (skb->tc_index == MARK_TRANSLATED) {
		skb->tc_index = 0;
		return TC_ACT_UNSPEC;
	}
	return handle(skb, HOOK_EGRESS);
}

/* Ingress of the node's end of a pod's device: what the pod sends. */
SEC("tc")
int sluice_from_pod(struct __sk_buff *skb)
{
	return handle(skb, HOOK_FROM_POD);
}
