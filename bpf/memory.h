/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a socket asked for and what it got, kept for as long as the socket lives (PF-22). */
#ifndef SLUICE_MEMORY_H
#define SLUICE_MEMORY_H

static __always_inline void fill_translation(struct translation *to, const struct endpoint *vip,
					     const struct found *found, const struct choice *choice)
{
	to->vip = vip->address;
	to->vip_port = vip->port;
	to->address = choice->backend->address;
	to->port = choice->backend->port;
	to->service = found->index;
	to->backend = choice->index;
	to->generation = choice->backend->generation;
	to->slice = slice_for(found, ORIGIN_INSIDE);
}

static __always_inline struct tcp_peer *tcp_place(__u64 cookie)
{
	__u32 index = cookie & (TCP_PEERS - 1);

	return bpf_map_lookup_elem(&tcp_peers, &index);
}

/* False: no memory was left; the socket is shown its backend as peer. */
static __always_inline bool remember_tcp(struct bpf_sock_addr *ctx, const struct endpoint *vip,
					 const struct found *found, const struct choice *choice)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct tcp_peer *peer = tcp_place(cookie);
	struct translation *kept;

	if (peer && (!peer->cookie || peer->cookie == cookie)) {
		peer->vip = vip->address;
		peer->vip_port = vip->port;
		peer->service = found->index;
		peer->cookie = cookie;
		return true;
	}
	kept = bpf_sk_storage_get(&connected_tcp, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!kept)
		return false;
	fill_translation(kept, vip, found, choice);
	return true;
}

static __always_inline bool remember_udp(struct bpf_sock_addr *ctx, const struct endpoint *vip,
					 const struct found *found, const struct choice *choice)
{
	struct translation *kept;

	/* The cookie names the socket to whoever must destroy it later (PF-21). */
	bpf_get_socket_cookie(ctx);
	kept = bpf_sk_storage_get(&connected_udp, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!kept)
		return false;
	fill_translation(kept, vip, found, choice);
	return true;
}

static __always_inline bool remember(struct bpf_sock_addr *ctx, const struct endpoint *vip,
				     const struct found *found, const struct choice *choice)
{
	if (ctx->protocol == IPPROTO_TCP)
		return remember_tcp(ctx, vip, found, choice);
	return remember_udp(ctx, vip, found, choice);
}

static __always_inline void clear_tcp_place(__u64 cookie)
{
	struct tcp_peer *peer = tcp_place(cookie);

	if (peer && peer->cookie == cookie)
		peer->cookie = 0;
}

/* A socket that is connected anew to something else loses the old memory. */
static __always_inline void forget_connection(struct bpf_sock_addr *ctx)
{
	if (ctx->protocol == IPPROTO_UDP) {
		bpf_sk_storage_delete(&connected_udp, ctx->sk);
		return;
	}
	clear_tcp_place(bpf_get_socket_cookie(ctx));
	bpf_sk_storage_delete(&connected_tcp, ctx->sk);
}

static __always_inline bool is_to(const struct translation *flow, const struct endpoint *vip)
{
	return flow->vip_port == vip->port && address_equal(&flow->vip, &vip->address);
}

/* The flow of this socket to this VIP, or the place where one is to be kept. */
static __always_inline struct translation *flow_to(struct udp_flows *flows,
						   const struct endpoint *vip, bool *known)
{
	__u32 i, at = UDP_FLOWS;

	for (i = 0; i < UDP_FLOWS; i++) {
		*known = is_to(&flows->flow[i], vip);
		if (*known) {
			flows->last = i;
			return &flows->flow[i];
		}
		if (!flows->flow[i].vip_port && at == UDP_FLOWS)
			at = i;
	}
	if (at == UDP_FLOWS)
		at = flows->next++;
	at %= UDP_FLOWS;
	flows->last = at;
	return &flows->flow[at];
}

static __always_inline bool keeps_backend(const struct translation *flow, const struct found *found,
					  struct choice *choice)
{
	if (flow->service != found->index)
		return false;
	choice->backend = live_backend(flow->backend, flow->generation, found->index,
				       slice_for(found, ORIGIN_INSIDE));
	return choice->backend != NULL;
}

/*
 * A socket keeps its backend for a VIP while that backend lives (PF-23). False: it has none, and
 * *place is where to remember the next one, unless that is NULL. Without memory each datagram is
 * translated all the same: a client that checks the sender drops the answer, others are served,
 * and a refusal would help neither.
 */
static __always_inline bool recall_backend(struct bpf_sock_addr *ctx, const struct endpoint *vip,
					   const struct found *found, struct service_stats *stats,
					   struct choice *choice, struct translation **place)
{
	struct translation *connection = NULL;
	struct udp_flows *flows;
	bool known;

	*place = NULL;
	if (is_connected(ctx))
		connection = bpf_sk_storage_get(&connected_udp, ctx->sk, NULL, 0);
	if (connection && is_to(connection, vip))
		return keeps_backend(connection, found, choice);
	flows = bpf_sk_storage_get(&unconnected_udp, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!flows) {
		COUNT(stats, unremembered);
		return false;
	}
	*place = flow_to(flows, vip, &known);
	return known && keeps_backend(*place, found, choice);
}

static __always_inline bool answers(const struct translation *translation,
				    const struct endpoint *from)
{
	return translation->port == from->port &&
	       address_equal(&translation->address, &from->address);
}

static __always_inline bool restore_vip(const struct translation *translation, struct endpoint *at)
{
	if (!translation || !translation->vip_port || !answers(translation, at))
		return false;
	at->address = translation->vip;
	at->port = translation->vip_port;
	return true;
}

/*
 * A datagram from a backend is shown as coming from the VIP that the socket spoke to; where several
 * lead to that backend, from the one that it spoke to last.
 */
static __always_inline bool restore_source(struct bpf_sock_addr *ctx, struct endpoint *at)
{
	struct udp_flows *flows;
	__u32 i;

	if (ctx->protocol != IPPROTO_UDP)
		return false;
	if (is_connected(ctx) &&
	    restore_vip(bpf_sk_storage_get(&connected_udp, ctx->sk, NULL, 0), at))
		return true;
	flows = bpf_sk_storage_get(&unconnected_udp, ctx->sk, NULL, 0);
	if (!flows)
		return false;
	if (restore_vip(&flows->flow[flows->last % UDP_FLOWS], at))
		return true;
	for (i = 0; i < UDP_FLOWS; i++)
		if (restore_vip(&flows->flow[i], at))
			return true;
	return false;
}

static __always_inline bool restore_tcp_peer(struct bpf_sock_addr *ctx, struct endpoint *at)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);
	struct tcp_peer *peer = tcp_place(cookie);

	if (!peer || peer->cookie != cookie)
		return restore_vip(bpf_sk_storage_get(&connected_tcp, ctx->sk, NULL, 0), at);
	at->address = peer->vip;
	at->port = peer->vip_port;
	return true;
}

static __always_inline bool restore_peer(struct bpf_sock_addr *ctx, struct endpoint *at)
{
	if (ctx->protocol == IPPROTO_TCP)
		return restore_tcp_peer(ctx, at);
	if (ctx->protocol == IPPROTO_UDP)
		return restore_vip(bpf_sk_storage_get(&connected_udp, ctx->sk, NULL, 0), at);
	return false;
}

#endif
