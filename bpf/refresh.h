/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is due once a tick, or when TCP shows something new; never for each packet. */
#ifndef SLUICE_REFRESH_H
#define SLUICE_REFRESH_H

/* Whether the flow goes on; otherwise a first packet finds a flow that is over. */
static __always_inline bool goes_on(const struct packet *packet, const struct flow *flow,
				    const struct flow *other, __u32 now)
{
	struct settings *settings = settings_now();
	__u8 protocol = packet->key.protocol;
	__u8 state;
	__u32 seen;

	if (flow->flags & FLOW_REPLY || !begins_flow(packet) || !settings)
		return true;
	/* Evicted, the other direction is taken to have answered. */
	state = flow_state(protocol, flow->tcp, other ? other->tcp : FLOW_TCP_ACK);
	seen = flow->last_seen;
	if (other && (__s32)(other->last_seen - seen) > 0)
		seen = other->last_seen;
	if (state == FLOW_CLOSED || state == FLOW_CLOSING)
		return false;
	return now - seen <= flow_state_timeout(settings, state) &&
	       live_backend(flow->backend, flow->generation, flow->service, flow->slice);
}

/*
 * False: the flow is over, and the packet begins another. The other direction is made anew where it
 * was evicted (PF-28), and the route is looked up again.
 */
__noinline int refresh(struct __sk_buff *skb, __u32 now)
{
	struct packet *packet = packet_now();
	struct flow made, *flow, *other;
	struct flow_key key;

	if (!packet)
		return false;
	flow = bpf_map_lookup_elem(&flows, &packet->key);
	if (!flow)
		return false;
	key_of_other(packet->key.protocol, flow, &key);
	other = bpf_map_lookup_elem(&flows, &key);
	if (other && !is_other_of(other, &packet->key)) {
		/* Its tuple was given to another flow after it had ended. */
		bpf_map_delete_elem(&flows, &packet->key);
		return false;
	}
	if (!goes_on(packet, flow, other, now))
		return false;
	flow->last_seen = now;
	flow->tcp |= shown_by(packet);
	if (flow->flags & (FLOW_FAST | FLOW_MASQUERADE) &&
	    find_route(skb, flow, packet->key.protocol, skb->ifindex) != ROUTE_AWAY)
		flow->device = 0;
	if (!other) {
		turn_round(&packet->key, flow, &made);
		if (!put(&key, &made, BPF_NOEXIST))
			count_packet(skb, REASON_REPAIRED_FLOW);
	}
	return true;
}

#endif
