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
#include "source_range.h"
#include "endpoint.h"
#include "site.h"
#include "memory.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define AF_INET 2
#define AF_INET6 10
#define ECONNREFUSED 111

enum verdict {
	VERDICT_PASS,      /* no Service of ours: untouched */
	VERDICT_TRANSLATE, /* the endpoint has been rewritten */
	VERDICT_REFUSE,    /* the call fails */
};

/* bpf_set_retval is there (5.18); otherwise a refusal has to be provoked. */
const volatile __u8 has_set_retval = 1;

static __always_inline bool is_served(__u32 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

/* The client is its network namespace: a pod, or all host-network processes together (KP-28). */
static __always_inline bool select_backend(struct bpf_sock_addr *ctx, const struct found *found,
					   struct service_stats *stats, struct choice *choice)
{
	struct affinity_key key = { .service = found->index, .kind = AFFINITY_NETNS };
	__u8 slice = slice_for(found, ORIGIN_INSIDE);
	__u64 cookie, now;

	if (!found->service->affinity_seconds)
		return select_slot(found->service, slice, bpf_get_prandom_u32(), choice);
	cookie = bpf_get_netns_cookie(ctx);
	key.client.word[0] = cookie;
	key.client.word[1] = cookie >> 32;
	now = bpf_ktime_get_ns();
	if (affinity_lookup(&key, found, slice, now, choice)) {
		COUNT(stats, affinity);
		return true;
	}
	if (!select_slot(found->service, slice, bpf_get_prandom_u32(), choice))
		return false;
	affinity_remember(&key, now, choice);
	return true;
}

/* Port 0 of the loopback, where nothing can listen. */
static __always_inline void divert_to_closed_port(struct endpoint *at)
{
	if (address_is_v4(&at->address))
		at->address.word[3] = bpf_htonl(INADDR_LOOPBACK);
	else
		at->address = (struct address){ { 0, 0, 0, bpf_htonl(1) } };
	at->port = 0;
}

/*
 * connect() fails with ECONNREFUSED; before 5.18 because it is diverted to where it is refused
 * (PF-25).
 */
static __always_inline enum verdict refuse_connect(struct endpoint *at)
{
	if (has_set_retval) {
		bpf_set_retval(-ECONNREFUSED);
		return VERDICT_REFUSE;
	}
	divert_to_closed_port(at);
	return VERDICT_TRANSLATE;
}

/* Before 5.18 the sender sees EPERM: a datagram cannot be diverted to port 0. */
static __always_inline enum verdict refuse_datagram(void)
{
	if (has_set_retval)
		bpf_set_retval(-ECONNREFUSED);
	return VERDICT_REFUSE;
}

static __always_inline bool is_connect(enum hook hook)
{
	return hook == HOOK_CONNECT4 || hook == HOOK_CONNECT6;
}

/*
 * A VIP at a port that nobody serves and a ClusterIP that no Service has are refused (KP-31), and so
 * is who is outside the source ranges: kube-proxy drops the latter two, but a socket can only be
 * answered, and an answer now is better than a timeout.
 */
static __always_inline enum verdict find_admitted(struct bpf_sock_addr *ctx, enum hook hook,
						  struct endpoint *at, struct found *found)
{
	enum lookup lookup = find_from_socket(ctx, hook, at, found);
	struct service_stats *stats;

	/* getaddrinfo() sorts addresses by UDP connections that it sends nothing on. */
	if (lookup == LOOKUP_UNSERVED && !(ctx->protocol == IPPROTO_UDP && is_connect(hook)))
		return VERDICT_REFUSE;
	if (lookup != LOOKUP_SERVICE)
		return VERDICT_PASS;
	switch (admit(ctx, hook, at, found)) {
	case ADMITTED:
		return VERDICT_TRANSLATE;
	case UNDECIDED:
		return VERDICT_PASS;
	case DENIED:
		break;
	}
	stats = stats_of(found->index);
	COUNT(stats, denied);
	return VERDICT_REFUSE;
}

static __always_inline enum verdict translate_connect(struct bpf_sock_addr *ctx, enum hook hook,
						      struct endpoint *at)
{
	struct service_stats *stats;
	struct choice choice;
	struct found found;

	if (!is_served(ctx->protocol))
		return VERDICT_PASS;
	switch (find_admitted(ctx, hook, at, &found)) {
	case VERDICT_PASS:
		forget_connection(ctx);
		return VERDICT_PASS;
	case VERDICT_REFUSE:
		return refuse_connect(at);
	case VERDICT_TRANSLATE:
		break;
	}
	stats = stats_of(found.index);
	if (!select_backend(ctx, &found, stats, &choice)) {
		COUNT(stats, refused);
		return refuse_connect(at);
	}
	COUNT(stats, connections);
	if (!remember(ctx, at, &found, &choice))
		COUNT(stats, unremembered);
	take_backend(at, choice.backend);
	return VERDICT_TRANSLATE;
}

static __always_inline enum verdict translate_datagram(struct bpf_sock_addr *ctx, enum hook hook,
						       struct endpoint *at)
{
	struct service_stats *stats;
	struct translation *place;
	struct choice choice;
	struct found found;

	if (ctx->protocol != IPPROTO_UDP)
		return VERDICT_PASS;
	switch (find_admitted(ctx, hook, at, &found)) {
	case VERDICT_PASS:
		return VERDICT_PASS;
	case VERDICT_REFUSE:
		return refuse_datagram();
	case VERDICT_TRANSLATE:
		break;
	}
	stats = stats_of(found.index);
	if (!recall_backend(ctx, at, &found, stats, &choice, &place)) {
		if (!select_backend(ctx, &found, stats, &choice)) {
			COUNT(stats, refused);
			return refuse_datagram();
		}
		COUNT(stats, connections);
		if (place)
			fill_translation(place, at, &found, &choice);
	}
	COUNT(stats, datagrams);
	take_backend(at, choice.backend);
	return VERDICT_TRANSLATE;
}

SEC("cgroup/connect4")
int sluice_connect4(struct bpf_sock_addr *ctx)
{
	struct endpoint at = read_v4(ctx);
	enum verdict verdict = translate_connect(ctx, HOOK_CONNECT4, &at);

	if (verdict == VERDICT_TRANSLATE)
		write_v4(ctx, &at);
	return verdict != VERDICT_REFUSE;
}

SEC("cgroup/connect6")
int sluice_connect6(struct bpf_sock_addr *ctx)
{
	struct endpoint at = read_v6(ctx);
	enum verdict verdict = translate_connect(ctx, HOOK_CONNECT6, &at);

	if (verdict == VERDICT_TRANSLATE)
		write_v6(ctx, &at);
	return verdict != VERDICT_REFUSE;
}

SEC("cgroup/sendmsg4")
int sluice_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct endpoint at = read_v4(ctx);
	enum verdict verdict = translate_datagram(ctx, HOOK_SENDMSG4, &at);

	if (verdict == VERDICT_TRANSLATE)
		write_v4(ctx, &at);
	return verdict != VERDICT_REFUSE;
}

SEC("cgroup/sendmsg6")
int sluice_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct endpoint at = read_v6(ctx);
	enum verdict verdict = translate_datagram(ctx, HOOK_SENDMSG6, &at);

	if (verdict == VERDICT_TRANSLATE)
		write_v6(ctx, &at);
	return verdict != VERDICT_REFUSE;
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
	if (live_backend(translation->backend, translation->generation, translation->service,
			 translation->slice))
		return 0;
	stale.cookie = sk->__sk_common.skc_cookie.counter;
	stale.netns = sk->__sk_common.skc_net.net->ns.inum;
	stale.device = sk->__sk_common.skc_bound_dev_if;
	bpf_seq_write(ctx->meta->seq, &stale, sizeof(stale));
	return 0;
}
