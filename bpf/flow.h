/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What became of the packets before: one entry for each direction of a flow. */
#ifndef SLUICE_FLOW_H
#define SLUICE_FLOW_H

enum hook {
	HOOK_FROM_OUTSIDE,
	HOOK_FROM_POD,
	HOOK_EGRESS,
};

/* bpf_ktime_get_coarse_ns() is there (5.11). */
const volatile __u8 has_coarse_clock = 1;

static __always_inline __u32 tick_now(void)
{
	__u64 now = has_coarse_clock ? bpf_ktime_get_coarse_ns() : bpf_ktime_get_ns();

	return now >> TICK_SHIFT;
}

/*
 * Packets of a flow that skips the stack are translated where they come in, and so are the replies
 * to a masqueraded one. The others climb the stack between backend and client with the addresses
 * that it saw in the request, and are translated where they leave.
 */
static __always_inline bool is_translated_at(const struct flow *flow, enum hook hook)
{
	if (!(flow->flags & FLOW_REPLY) || flow->flags & FLOW_MASQUERADE)
		return hook != HOOK_EGRESS;
	return hook == HOOK_EGRESS || flow->flags & FLOW_FAST;
}

static __always_inline bool skips_stack(const struct flow *flow, enum hook hook)
{
	return hook != HOOK_EGRESS && flow->flags & (FLOW_FAST | FLOW_MASQUERADE);
}

/* The key of the other direction: the translated packet turned round. */
static __always_inline void key_of_other(__u8 protocol, const struct flow *flow,
					 struct flow_key *other)
{
	other->source = flow->destination;
	other->destination = flow->source;
	other->source_port = flow->destination_port;
	other->destination_port = flow->source_port;
	other->protocol = protocol;
	__builtin_memset(other->pad, 0, sizeof(other->pad));
}

/* The key of what answers a packet that nothing translates. */
static __always_inline void turn_key(const struct flow_key *key, struct flow_key *turned)
{
	turned->source = key->destination;
	turned->destination = key->source;
	turned->source_port = key->destination_port;
	turned->destination_port = key->source_port;
	turned->protocol = key->protocol;
	__builtin_memset(turned->pad, 0, sizeof(turned->pad));
}

/* Whether an entry is the other direction of the one that stands at `key`. */
static __always_inline bool is_other_of(const struct flow *other, const struct flow_key *key)
{
	return other->source_port == key->destination_port &&
	       other->destination_port == key->source_port &&
	       address_equal(&other->source, &key->destination) &&
	       address_equal(&other->destination, &key->source);
}

/* Makes `other`, the direction that leads back, from the one that stands at `key`. */
static __always_inline void turn_round(const struct flow_key *key, const struct flow *flow,
				       struct flow *other)
{
	other->source = key->destination;
	other->destination = key->source;
	other->source_port = key->destination_port;
	other->destination_port = key->source_port;
	other->service = flow->service;
	other->backend = flow->backend;
	other->generation = flow->generation;
	other->slice = flow->slice;
	other->slots = flow->slots;
	other->flags = (flow->flags ^ FLOW_REPLY) & (FLOW_REPLY | FLOW_MASQUERADE | FLOW_FAST);
	other->tcp = 0;
	other->pad = 0;
	other->device = 0;
	other->mtu = 0;
	/* Its first packet finds the route. */
	other->last_seen = flow->last_seen - 1;
	__builtin_memset(other->to, 0, sizeof(other->to) + sizeof(other->from));
	other->address_sum = ~flow->address_sum;
	other->port_sum = port_gain(flow->destination_port, key->destination_port) +
			  port_gain(flow->source_port, key->source_port);
}

/*
 * An entry counts as used once it has been looked up. Before that it may be the first to be evicted:
 * in a full table, for the very entry of its other direction.
 */
static __always_inline long put(const struct flow_key *key, const struct flow *flow, __u64 mode)
{
	long error = bpf_map_update_elem(&flows, key, flow, mode);

	if (!error)
		bpf_map_lookup_elem(&flows, key);
	return error;
}

/* What a packet says of its flow's state. UDP shows only that it came. */
static __always_inline __u8 shown_by(const struct packet *packet)
{
	__u8 flags = packet->tcp;

	if (!has_handshake(packet->key.protocol))
		return FLOW_TCP_ACK;
	return (flags & TCP_SYN ? FLOW_TCP_SYN : 0) | (flags & TCP_FIN ? FLOW_TCP_FIN : 0) |
	       (flags & TCP_RST ? FLOW_TCP_RST : 0) | (flags & TCP_ACK ? FLOW_TCP_ACK : 0);
}

static __always_inline bool begins_flow(const struct packet *packet)
{
	if (packet->part == PART_LATER)
		return false;
	if (!has_handshake(packet->key.protocol))
		return true;
	return (packet->tcp & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

/* A datagram leaves a backend that has gone; a connection drains (PF-24, PF-27). */
static __always_inline bool must_leave(const struct packet *packet, const struct flow *flow)
{
	return !(flow->flags & FLOW_REPLY) && packet->key.protocol == IPPROTO_UDP &&
	       !live_backend(flow->backend, flow->generation, flow->service, flow->slice);
}

#endif
