/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The first packet of a flow: which backend it gets, and under which addresses. */
#ifndef SLUICE_OPEN_H
#define SLUICE_OPEN_H

#define EEXIST 17
#define SNAT_TRIES 32

static __always_inline __u32 mix(__u32 hash, __u32 word)
{
	hash ^= word;
	hash *= 0x85ebca6b;
	hash ^= hash >> 13;
	hash *= 0xc2b2ae35;
	return hash ^ hash >> 16;
}

/* The same on every node. With session affinity all connections of a client go together. */
static __always_inline __u32 hash_flow(const struct flow_key *key, bool client_only)
{
	__u32 hash = 0x9e3779b9;
	int i;

	for (i = 0; i < 4; i++)
		hash = mix(hash, bpf_ntohl(key->source.word[i]));
	if (client_only)
		return hash;
	for (i = 0; i < 4; i++)
		hash = mix(hash, bpf_ntohl(key->destination.word[i]));
	hash = mix(hash, (__u32)bpf_ntohs(key->source_port) << 16 |
				 bpf_ntohs(key->destination_port));
	return mix(hash, key->protocol);
}

/* A slice that changes is written elsewhere. */
static __always_inline __u32 slots_of(const struct service *service, __u8 slice)
{
	return slice == BACKEND_IN_LOCAL ? service->local : service->cluster;
}

/*
 * A connection from a port that the client has just used keeps the backend of the one before, where
 * that had an answer and the slice is still the same: chosen at random it was then, and its entries
 * stand, while others would have to be made.
 */
static __always_inline bool select_last(const struct scratch *opening, const struct found *found,
					__u8 slice, struct choice *choice)
{
	const struct flow *last;

	if (!opening->ended_key.protocol || !has_handshake(opening->ended_key.protocol) ||
	    found->service->algorithm != ALGORITHM_RANDOM || found->service->affinity_seconds)
		return false;
	last = bpf_map_lookup_elem(&flows, &opening->packet.key);
	if (!last || !(last->tcp & FLOW_TCP_ACK) || last->slice != slice ||
	    last->slots != slots_of(found->service, slice))
		return false;
	choice->index = last->backend;
	choice->backend = live_backend(last->backend, last->generation, found->index, slice);
	return choice->backend != NULL;
}

static __always_inline bool select_for(const struct flow_key *key, const struct found *found,
				       __u8 slice, struct service_stats *stats,
				       struct choice *choice)
{
	const struct service *service = found->service;
	struct affinity_key client = {
		.client = key->source,
		.service = found->index,
		.kind = AFFINITY_ADDRESS,
	};
	bool sticks = service->affinity_seconds != 0;
	__u64 now = 0;
	__u32 pick;

	if (sticks) {
		now = bpf_ktime_get_ns();
		if (affinity_lookup(&client, found, slice, now, choice)) {
			COUNT(stats, affinity);
			return true;
		}
	}
	pick = service->algorithm == ALGORITHM_MAGLEV ? hash_flow(key, sticks) :
							 bpf_get_prandom_u32();
	if (!select_slot(service, slice, pick, choice))
		return false;
	if (sticks)
		affinity_remember(&client, now, choice);
	return true;
}

/* The source of what leaves by a device (KP-21); zero: the node has no address of the family. */
static __always_inline void masquerade_as(__u32 device_index, struct address *source, bool v4)
{
	struct device *device = device_of(device_index);
	struct settings *now = settings_now();

	__builtin_memset(source, 0, sizeof(*source));
	if (device)
		*source = v4 ? device->v4 : device->v6;
	if (!source->word[3] && !source->word[0] && now)
		*source = v4 ? now->node_v4 : now->node_v6;
}

static __always_inline __be16 snat_port(const struct settings *settings)
{
	__u32 count = settings->snat_port_last - settings->snat_port_first + 1;

	return bpf_htons(settings->snat_port_first +
			 (__u32)(((__u64)bpf_get_prandom_u32() * count) >> 32));
}

/* Whether the entry at a tuple that is wanted may be taken over: its flow is this one, or ended. */
static __always_inline bool may_replace(const struct scratch *opening,
					const struct settings *settings, __u32 now)
{
	const struct flow *held = bpf_map_lookup_elem(&flows, &opening->reply_key);

	if (!held)
		return true;
	if (held->source_port == opening->reply.source_port &&
	    held->destination_port == opening->reply.destination_port &&
	    address_equal(&held->source, &opening->reply.source) &&
	    address_equal(&held->destination, &opening->reply.destination))
		return true;
	return held->tcp & (FLOW_TCP_FIN | FLOW_TCP_RST) &&
	       now - held->last_seen > settings->tcp_closed;
}

static __always_inline bool is_same_tuple(const struct flow_key *a, const struct flow_key *b)
{
	return a->source_port == b->source_port && a->destination_port == b->destination_port &&
	       a->protocol == b->protocol && address_equal(&a->source, &b->source) &&
	       address_equal(&a->destination, &b->destination);
}

/*
 * A client that uses a port again finds the entries of its last connection. They are overwritten:
 * to take entries out and put others in costs more than all the rest. Not those that are due to be
 * swept, which may be another flow's in the next moment, nor those of datagrams, of which two CPUs
 * may have some at once.
 */
static __always_inline bool overwrite(const struct scratch *opening, struct flow *held,
				      const struct flow *flow)
{
	struct settings *settings = settings_now();

	if (!settings || !has_handshake(opening->packet.key.protocol) ||
	    opening->request.last_seen - held->last_seen >= settings->tcp_closed)
		return false;
	*held = *flow;
	return true;
}

static __always_inline bool overwrite_replies(struct scratch *opening)
{
	struct flow *held;

	if (!is_same_tuple(&opening->reply_key, &opening->ended_key))
		return false;
	held = bpf_map_lookup_elem(&flows, &opening->reply_key);
	return held && is_other_of(held, &opening->packet.key) &&
	       overwrite(opening, held, &opening->reply);
}

/*
 * Claims the tuple that the backend will see, by the entry of the replies: atomically, since only
 * one CPU can create it (PF-26). The client's own port is tried first where its address is kept,
 * random ones of the range after it.
 */
__noinline int claim_tuple(void)
{
	struct settings *settings = settings_now();
	struct scratch *opening = scratch_now();
	const struct flow_key *key;
	__be16 port;
	long error;
	bool keep;
	int i;

	if (!settings || !opening)
		return REASON_DROPPED_NO_MEMORY;
	key = &opening->packet.key;
	keep = !(opening->request.flags & FLOW_MASQUERADE);
	for (i = 0; i < SNAT_TRIES; i++) {
		port = keep && i == 0 ? key->source_port : snat_port(settings);
		opening->request.source_port = port;
		opening->reply.port_sum =
			port_gain(opening->request.destination_port, key->destination_port) +
			port_gain(port, key->source_port);
		key_of_other(key->protocol, &opening->request, &opening->reply_key);
		if (overwrite_replies(opening))
			return REASON_NEW_FLOW;
		error = put(&opening->reply_key, &opening->reply, BPF_NOEXIST);
		if (error == -EEXIST &&
		    may_replace(opening, settings, opening->request.last_seen))
			error = put(&opening->reply_key, &opening->reply, BPF_ANY);
		if (!error)
			return REASON_NEW_FLOW;
		if (error != -EEXIST)
			return REASON_DROPPED_NO_MEMORY;
	}
	return REASON_DROPPED_NO_SNAT_PORT;
}

/*
 * Fills the request's entry but for its port. Backends of this node see the client; so do all that
 * a pod asks for, but itself. For others the node stands in, and the stack is not asked: to it, a
 * packet that comes in with the node's address is a martian. A backend that is said to be of this
 * node, and that packets leave the node for, is another's, unless a policy leads to those of this
 * node alone: its replies would not come back here.
 */
static __always_inline int address_request(struct __sk_buff *skb, struct scratch *opening,
					   const struct flow_key *key, const struct found *found,
					   const struct choice *choice, __u8 slice, enum hook hook)
{
	struct flow *request = &opening->request;
	bool is_local = choice->backend->flags & BACKEND_LOCAL;
	bool masquerade;
	__u32 out;
	int route;

	request->source = key->source;
	request->source_port = key->source_port;
	request->destination = choice->backend->address;
	request->destination_port = choice->backend->port;
	request->service = found->index;
	request->backend = choice->index;
	request->generation = choice->backend->generation;
	request->last_seen = tick_now();
	request->device = 0;
	request->mtu = 0;
	request->flags = 0;
	request->pad = 0;
	__builtin_memset(request->to, 0, ETH_ADDRESSES);
	route = find_route(skb, request, key->protocol, skb->ifindex);
	out = route == ROUTE_AWAY ? opening->egress_flags : 0;
	if (slice == BACKEND_IN_CLUSTER && out & DEVICE_EXTERNAL)
		is_local = false;
	is_local = is_local || route == ROUTE_HERE || out & DEVICE_POD;
	masquerade = hook == HOOK_FROM_POD ?
			     address_equal(&request->source, &request->destination) : !is_local;
	if (masquerade && route != ROUTE_AWAY)
		return REASON_DROPPED_NO_ROUTE;
	if (masquerade) {
		request->flags |= FLOW_MASQUERADE;
		masquerade_as(request->device, &request->source,
			      address_is_v4(&request->destination));
		if (!request->source.word[3] && !request->source.word[0])
			return REASON_DROPPED_NO_SNAT_ADDRESS;
	} else if (out & DEVICE_FAST && is_fast(skb->ifindex)) {
		request->flags |= FLOW_FAST;
	} else {
		request->device = 0;
	}
	return REASON_NEW_FLOW;
}

/* Where the ended flow's replies came from another backend than the new one's will. */
static __always_inline void forget_replies(struct scratch *opening)
{
	struct flow *other;

	if (is_same_tuple(&opening->reply_key, &opening->ended_key))
		return;
	other = bpf_map_lookup_elem(&flows, &opening->ended_key);
	if (other && is_other_of(other, &opening->packet.key))
		bpf_map_delete_elem(&flows, &opening->ended_key);
}

static __always_inline bool has_closed(const struct flow *flow)
{
	return flow->tcp & (FLOW_TCP_FIN | FLOW_TCP_RST);
}

/*
 * What nothing translates comes from a port that its client has used for a flow of ours, to the same
 * backend: the answers will be for what came last. The entries of the flow go. Not those of a
 * connection that neither end has closed: the backend resets it by itself (RFC 9293, 3.5.1).
 */
static __always_inline void give_way(struct scratch *opening)
{
	const struct flow_key *key = &opening->packet.key;
	struct flow_key *replies = &opening->reply_key, *requests = &opening->ended_key;
	struct flow *reply, *request;

	turn_key(key, replies);
	reply = bpf_map_lookup_elem(&flows, replies);
	if (!reply || !(reply->flags & FLOW_REPLY))
		return;
	key_of_other(key->protocol, reply, requests);
	request = bpf_map_lookup_elem(&flows, requests);
	if (request && !is_other_of(request, replies))
		request = NULL;
	if (has_handshake(key->protocol) && !has_closed(reply) && !(request && has_closed(request)))
		return;
	if (request)
		bpf_map_delete_elem(&flows, requests);
	bpf_map_delete_elem(&flows, replies);
}

/* Puts the request in the place of the one that has ended. */
static __always_inline long replace_request(struct scratch *opening)
{
	const struct flow_key *key = &opening->packet.key;
	struct flow *held;

	forget_replies(opening);
	held = bpf_map_lookup_elem(&flows, key);
	if (held && overwrite(opening, held, &opening->request))
		return 0;
	return put(key, &opening->request, BPF_ANY);
}

/*
 * The route of the replies is found ahead, but for one flow in eight: its first reply goes through
 * the neighbour.
 */
static __always_inline void route_replies(struct __sk_buff *skb, struct scratch *opening)
{
	struct flow *request = &opening->request, *reply = &opening->reply;

	if (!(request->flags & FLOW_FAST) || !(bpf_get_prandom_u32() & 7))
		return;
	if (find_route(skb, reply, opening->packet.key.protocol, request->device) == ROUTE_AWAY)
		reply->last_seen = request->last_seen;
	else
		reply->device = 0;
}

/*
 * enum reason: a new flow, whose entries stand and whose request is in `opening`; or why not. REASONS:
 * another CPU was quicker with the same flow, and its choice holds (PF-26).
 */
static __always_inline int open_flow(struct __sk_buff *skb, const struct packet *packet,
				     const struct found *found, __u8 slice,
				     const struct choice *choice, struct scratch *opening,
				     enum hook hook)
{
	struct flow *request = &opening->request;
	int reason = address_request(skb, opening, &packet->key, found, choice, slice, hook);
	long error;

	if (reason != REASON_NEW_FLOW)
		return reason;
	request->slice = slice;
	request->slots = slots_of(found->service, slice);
	fill_sums(&packet->key, request);
	turn_round(&packet->key, request, &opening->reply);
	route_replies(skb, opening);
	reason = claim_tuple();
	if (reason != REASON_NEW_FLOW)
		return reason;
	request->tcp = shown_by(packet);
	fill_port_sum(&packet->key, request);
	if (opening->ended_key.protocol)
		error = replace_request(opening);
	else
		error = put(&packet->key, request, BPF_NOEXIST);
	if (error) {
		bpf_map_delete_elem(&flows, &opening->reply_key);
		return error == -EEXIST ? REASONS : REASON_DROPPED_NO_MEMORY;
	}
	return opening->ended_key.protocol ? REASON_RESELECTED_FLOW : REASON_NEW_FLOW;
}

#endif
