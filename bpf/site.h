/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which Service a socket means, and whether it may use it; both depend on where the socket is. */
#ifndef SLUICE_SITE_H
#define SLUICE_SITE_H

#define TCP_ESTABLISHED 1

/* UDP: connect() has named a peer, and only from that one is anything heard. */
static __always_inline bool is_connected(const struct bpf_sock_addr *ctx)
{
	return ctx->sk->state == TCP_ESTABLISHED;
}

/*
 * A datagram to the peer goes where connect() has led it, translated or not: an answer from elsewhere
 * would not be heard. The hooks of sendmsg() are passed all the same where the peer is named again,
 * and with each datagram where it is an IPv4-mapped one.
 */
static __always_inline bool is_to_peer(struct bpf_sock_addr *ctx, enum hook hook,
				       const struct endpoint *at)
{
	struct address peer;

	if (hook != HOOK_SENDMSG4 && hook != HOOK_SENDMSG6)
		return false;
	if (!is_connected(ctx))
		return false;
	if (hook == HOOK_SENDMSG4)
		peer = address_of_v4(ctx->sk->dst_ip4);
	else
		peer = (struct address){ { ctx->sk->dst_ip6[0], ctx->sk->dst_ip6[1],
					   ctx->sk->dst_ip6[2], ctx->sk->dst_ip6[3] } };
	return address_equal(&peer, &at->address);
}

/*
 * Before 5.14 the agent cannot learn its namespace's cookie. The node's is taken to be the initial
 * one then, whose cookie any program may ask for.
 */
static __always_inline bool is_in_node_netns(struct bpf_sock_addr *ctx, const struct settings *now)
{
	__u64 node = now->host_netns ? now->host_netns : bpf_get_netns_cookie(NULL);

	return bpf_get_netns_cookie(ctx) == node;
}

/*
 * NodePorts at the node's loopback (KP-27), which the packet path never sees: 127.0.0.0/8, ::1, and
 * the unspecified address, which to connect() and sendto() means this host. A pod's loopback is the
 * pod's. A socket that is itself bound to a loopback address is left alone: no backend could answer.
 */
static __always_inline enum lookup find_on_loopback(struct bpf_sock_addr *ctx, enum hook hook,
						    struct endpoint *at, struct found *found)
{
	bool v4 = address_is_v4(&at->address);
	struct address loopback = loopback_address(v4);
	struct settings *now = settings_now();
	struct address source;

	if (!now || !may_be_node_port(at->port) || !is_in_node_netns(ctx, now))
		return LOOKUP_NONE;
	source = source_of(ctx, hook);
	if (address_is_loopback(&source) ||
	    !(node_address_flags(&loopback) & NODE_ADDRESS_NODE_PORT) ||
	    !find_node_port(v4, at->port, ctx->protocol, found))
		return LOOKUP_NONE;
	if (address_is_unspecified(&at->address))
		at->address = loopback;
	return LOOKUP_SERVICE;
}

static __always_inline enum lookup find_from_socket(struct bpf_sock_addr *ctx, enum hook hook,
						    struct endpoint *at, struct found *found)
{
	if (is_to_peer(ctx, hook, at))
		return LOOKUP_NONE;
	if (address_is_loopback(&at->address) || address_is_unspecified(&at->address))
		return find_on_loopback(ctx, hook, at, found);
	return find_service(&at->address, at->port, ctx->protocol, found);
}

enum admission {
	ADMITTED,
	DENIED,
	UNDECIDED, /* left to the packet path, which sees the source */
};

/*
 * Source ranges hold for pods and the node as well (KP-24). A socket that is not bound gets its
 * source only after the hook. The node's own counts as the node's address then, as the exception of
 * KP-24 has it; a pod's connection is left as it is, so that `sluice_from_pod` judges its packets at
 * the pod's device. Where that is not attached, the VIP is reached from bound sockets only: a range
 * that keeps out too much is better than one that does not hold.
 */
static __always_inline enum admission admit(struct bpf_sock_addr *ctx, enum hook hook,
					    const struct endpoint *at, const struct found *found)
{
	struct settings *now;
	struct address source;

	if (!(found->flags & FRONTEND_SOURCE_RANGES))
		return ADMITTED;
	source = source_of(ctx, hook);
	if (address_is_unspecified(&source)) {
		now = settings_now();
		if (!now || !is_in_node_netns(ctx, now))
			return UNDECIDED;
		source = address_is_v4(&at->address) ? now->node_v4 : now->node_v6;
	}
	return is_in_source_ranges(found->index, &source) ? ADMITTED : DENIED;
}

#endif
