/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Socket level: a connection to a Service is translated once, where it is made. */
#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"
#include "kernel.h"
#include "address.h"
#include "service.h"
#include "affinity.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define AF_INET 2
#define AF_INET6 10
#define ECONNREFUSED 111
#define TCP_ESTABLISHED 1

enum verdict {
	VERDICT_PASS,      /* no Service of ours: untouched */
	VERDICT_TRANSLATE, /* the endpoint has been rewritten */
	VERDICT_REFUSE,    /* a Service of ours that has no endpoint (PF-25) */
};

/* bpf_set_retval is there (5.18); otherwise a refusal has to be provoked. */
const volatile __u8 has_set_retval = 1;

/* An address and port, as a hook found it and as it leaves it. */
struct endpoint {
	struct address address;
	__be16 port;
};

static __always_inline bool is_served(__u32 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

static __always_inline __u16 slice_flag_of(const struct service *service)
{
	return service->flags & SERVICE_INTERNAL_LOCAL ? BACKEND_IN_LOCAL : BACKEND_IN_CLUSTER;
}

static __always_inline bool select_by_policy(const struct service *service, struct choice *choice)
{
	if (service->flags & SERVICE_INTERNAL_LOCAL)
		return select_random(&service->local, choice);
	return select_random(&service->cluster, choice);
}

/* The client is its network namespace: a pod, or all host-network processes together (KP-28). */
static __always_inline bool select_backend(struct bpf_sock_addr *ctx, const struct found *found,
					   struct service_stats *stats, struct choice *choice)
{
	struct affinity_key key = { .service = found->index, .kind = AFFINITY_NETNS };
	__u64 cookie, now;

	if (!found->service->affinity_seconds)
		return select_by_policy(found->service, choice);
	cookie = bpf_get_netns_cookie(ctx);
	key.client.word[0] = cookie;
	key.client.word[1] = cookie >> 32;
	now = bpf_ktime_get_ns();
	if (affinity_lookup(&key, found, slice_flag_of(found->service), now, choice)) {
		COUNT(stats, affinity);
		return true;
	}
	if (!select_by_policy(found->service, choice))
		return false;
	affinity_remember(&key, now, choice);
	return true;
}

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
}

static __always_inline void take_backend(struct endpoint *at, const struct backend *backend)
{
	at->address = backend->address;
	at->port = backend->port;
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

static __always_inline enum verdict translate_connect(struct bpf_sock_addr *ctx, struct endpoint *at)
{
	struct service_stats *stats;
	struct choice choice;
	struct found found;

	if (!is_served(ctx->protocol))
		return VERDICT_PASS;
	if (!find_service(&at->address, at->port, ctx->protocol, &found)) {
		forget_connection(ctx);
		return VERDICT_PASS;
	}
	stats = stats_of(found.index);
	if (!select_backend(ctx, &found, stats, &choice)) {
		COUNT(stats, refused);
		return VERDICT_REFUSE;
	}
	COUNT(stats, connections);
	if (!remember(ctx, at, &found, &choice))
		COUNT(stats, unremembered);
	take_backend(at, choice.backend);
	return VERDICT_TRANSLATE;
}

/* UDP: connect() has named a peer, and only from that one is anything heard. */
static __always_inline bool is_connected(const struct bpf_sock_addr *ctx)
{
	return ctx->sk->state == TCP_ESTABLISHED;
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
				       slice_flag_of(found->service));
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

static __always_inline enum verdict translate_datagram(struct bpf_sock_addr *ctx, struct endpoint *at)
{
	struct service_stats *stats;
	struct translation *place;
	struct choice choice;
	struct found found;

	if (ctx->protocol != IPPROTO_UDP ||
	    !find_service(&at->address, at->port, IPPROTO_UDP, &found))
		return VERDICT_PASS;
	stats = stats_of(found.index);
	if (!recall_backend(ctx, at, &found, stats, &choice, &place)) {
		if (!select_backend(ctx, &found, stats, &choice)) {
			COUNT(stats, refused);
			return VERDICT_REFUSE;
		}
		COUNT(stats, connections);
		if (place)
			fill_translation(place, at, &found, &choice);
	}
	COUNT(stats, datagrams);
	take_backend(at, choice.backend);
	return VERDICT_TRANSLATE;
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

static __always_inline struct endpoint read_v4(struct bpf_sock_addr *ctx)
{
	return (struct endpoint){ address_of_v4(ctx->user_ip4), ctx->user_port };
}

static __always_inline void write_v4(struct bpf_sock_addr *ctx, const struct endpoint *at)
{
	ctx->user_ip4 = at->address.word[3];
	ctx->user_port = at->port;
}

static __always_inline struct endpoint read_v6(struct bpf_sock_addr *ctx)
{
	return (struct endpoint){ { { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2],
				      ctx->user_ip6[3] } },
				  ctx->user_port };
}

static __always_inline void write_v6(struct bpf_sock_addr *ctx, const struct endpoint *at)
{
	ctx->user_ip6[0] = at->address.word[0];
	ctx->user_ip6[1] = at->address.word[1];
	ctx->user_ip6[2] = at->address.word[2];
	ctx->user_ip6[3] = at->address.word[3];
	ctx->user_port = at->port;
}

/*
 * Before 5.18 a connection is sent to port 0 of the loopback, where nothing can listen, so that the
 * client is refused as well.
 */
static __always_inline void divert_to_closed_port(struct endpoint *at)
{
	if (address_is_v4(&at->address))
		at->address.word[3] = bpf_htonl(INADDR_LOOPBACK);
	else
		at->address = (struct address){ { 0, 0, 0, bpf_htonl(1) } };
	at->port = 0;
}

SEC("cgroup/connect4")
int sluice_connect4(struct bpf_sock_addr *ctx)
{
	struct endpoint at = read_v4(ctx);
	enum verdict verdict = translate_connect(ctx, &at);

	if (verdict == VERDICT_PASS)
		return 1;
	if (verdict == VERDICT_REFUSE) {
		if (has_set_retval) {
			bpf_set_retval(-ECONNREFUSED);
			return 0;
		}
		divert_to_closed_port(&at);
	}
	write_v4(ctx, &at);
	return 1;
}

SEC("cgroup/connect6")
int sluice_connect6(struct bpf_sock_addr *ctx)
{
	struct endpoint at = read_v6(ctx);
	enum verdict verdict = translate_connect(ctx, &at);

	if (verdict == VERDICT_PASS)
		return 1;
	if (verdict == VERDICT_REFUSE) {
		if (has_set_retval) {
			bpf_set_retval(-ECONNREFUSED);
			return 0;
		}
		divert_to_closed_port(&at);
	}
	write_v6(ctx, &at);
	return 1;
}

SEC("cgroup/sendmsg4")
int sluice_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct endpoint at = read_v4(ctx);
	enum verdict verdict = translate_datagram(ctx, &at);

	if (verdict == VERDICT_REFUSE) {
		/* Before 5.18 the sender sees EPERM: a datagram cannot be diverted to port 0. */
		if (has_set_retval)
			bpf_set_retval(-ECONNREFUSED);
		return 0;
	}
	if (verdict == VERDICT_TRANSLATE)
		write_v4(ctx, &at);
	return 1;
}

SEC("cgroup/sendmsg6")
int sluice_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct endpoint at = read_v6(ctx);
	enum verdict verdict = translate_datagram(ctx, &at);

	if (verdict == VERDICT_REFUSE) {
		if (has_set_retval)
			bpf_set_retval(-ECONNREFUSED);
		return 0;
	}
	if (verdict == VERDICT_TRANSLATE)
		write_v6(ctx, &at);
	return 1;
}

SEC("cgroup/recvmsg4")
int sluice_recvmsg4(struct bpf_sock_addr *ctx)
{
	struct endpoint at = read_v4(ctx);

	if (restore_source(ctx, &at))
		write_v4(ctx, &at);
	return 1;
}

SEC("cgroup/recvmsg6")
int sluice_recvmsg6(struct bpf_sock_addr *ctx)
{
	struct endpoint at = read_v6(ctx);

	if (restore_source(ctx, &at))
		write_v6(ctx, &at);
	return 1;
}

SEC("cgroup/getpeername4")
int sluice_getpeername4(struct bpf_sock_addr *ctx)
{
	struct endpoint at = read_v4(ctx);

	if (restore_peer(ctx, &at))
		write_v4(ctx, &at);
	return 1;
}

SEC("cgroup/getpeername6")
int sluice_getpeername6(struct bpf_sock_addr *ctx)
{
	struct endpoint at = read_v6(ctx);

	if (restore_peer(ctx, &at))
		write_v6(ctx, &at);
	return 1;
}

SEC("cgroup/sock_release")
int sluice_sock_release(struct bpf_sock *ctx)
{
	if (ctx->protocol == IPPROTO_TCP)
		clear_tcp_place(bpf_get_socket_cookie(ctx));
	return 1;
}

static __always_inline struct address address_of_v6(const struct in6_addr *v6)
{
	return (struct address){ { v6->in6_u.u6_addr32[0], v6->in6_u.u6_addr32[1],
				   v6->in6_u.u6_addr32[2], v6->in6_u.u6_addr32[3] } };
}

/*
 * Walks connected_udp in every network namespace and reports the sockets that are still connected
 * to a backend which is no longer selected (PF-20, PF-21, PF-24).
 */
SEC("iter/bpf_sk_storage_map")
int sluice_stale_udp(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct translation *translation = ctx->value;
	struct stale_socket stale = {};
	struct sock *sk = ctx->sk;
	struct endpoint peer = {};
	struct service *service;
	__u32 index;

	if (!sk || !translation || sk->__sk_common.skc_state != TCP_ESTABLISHED)
		return 0;
	stale.family = sk->__sk_common.skc_family;
	if (stale.family == AF_INET) {
		stale.source = address_of_v4(sk->__sk_common.skc_rcv_saddr);
		stale.destination = address_of_v4(sk->__sk_common.skc_daddr);
	} else {
		stale.source = address_of_v6(&sk->__sk_common.skc_v6_rcv_saddr);
		stale.destination = address_of_v6(&sk->__sk_common.skc_v6_daddr);
	}
	stale.source_port = bpf_htons(sk->__sk_common.skc_num);
	stale.destination_port = sk->__sk_common.skc_dport;
	peer.address = stale.destination;
	peer.port = stale.destination_port;
	if (!answers(translation, &peer))
		return 0;
	index = translation->service;
	service = bpf_map_lookup_elem(&services, &index);
	if (service && live_backend(translation->backend, translation->generation, index,
				    slice_flag_of(service)))
		return 0;
	stale.cookie = sk->__sk_common.skc_cookie.counter;
	stale.netns = sk->__sk_common.skc_net.net->ns.inum;
	stale.device = sk->__sk_common.skc_bound_dev_if;
	bpf_seq_write(ctx->meta->seq, &stale, sizeof(stale));
	return 0;
}
