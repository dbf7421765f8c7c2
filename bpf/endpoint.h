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

static __always_inline void take_backend(struct endpoint *at, const struct backend *backend)
{
	at->address = backend->address;
	at->port = backend->port;
}

#endif
