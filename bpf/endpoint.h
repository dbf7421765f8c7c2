/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The address and port of a socket hook; all that differs between the two families. */
#ifndef SLUICE_ENDPOINT_H
#define SLUICE_ENDPOINT_H

struct endpoint {
	struct address address;
	__be16 port;
};

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

/* The hooks at which a Service is looked up; each shows the source in fields of its own. */
enum hook {
	HOOK_CONNECT4,
	HOOK_CONNECT6,
	HOOK_SENDMSG4,
	HOOK_SENDMSG6,
};

/*
 * The address that the socket, or this one datagram, is bound to; unspecified where the kernel has
 * yet to choose one, which it does after the hook. `hook` is constant: each program reads only the
 * fields that the verifier allows it.
 */
static __always_inline struct address source_of(struct bpf_sock_addr *ctx, enum hook hook)
{
	if (hook == HOOK_CONNECT4)
		return address_of_v4(ctx->sk->src_ip4);
	if (hook == HOOK_SENDMSG4)
		return address_of_v4(ctx->msg_src_ip4);
	if (hook == HOOK_SENDMSG6)
		return (struct address){ { ctx->msg_src_ip6[0], ctx->msg_src_ip6[1],
					   ctx->msg_src_ip6[2], ctx->msg_src_ip6[3] } };
	return (struct address){ { ctx->sk->src_ip6[0], ctx->sk->src_ip6[1], ctx->sk->src_ip6[2],
				   ctx->sk->src_ip6[3] } };
}

static __always_inline void take_backend(struct endpoint *at, const struct backend *backend)
{
	at->address = backend->address;
	at->port = backend->port;
}

#endif
