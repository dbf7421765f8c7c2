/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ends flows whose last packet is long ago. The agent runs it off its main thread (PF-10). */
#ifndef SLUICE_EXPIRE_H
#define SLUICE_EXPIRE_H

/* Whether that much time has passed since; what is seen meanwhile may lie ahead of `now`. */
static __always_inline bool is_idle(__u32 last_seen, __u32 ticks)
{
	__u32 now = bpf_ktime_get_ns() >> TICK_SHIFT;

	return (__s32)(now - last_seen) > (__s32)ticks;
}

static __always_inline __u32 shorter(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

/*
 * For so long the other direction need not be asked. What has had no answer is asked late: a lookup
 * marks an entry as used, and what a flood of SYNs leaves behind is to be evicted before the idle
 * connections that are marked here in each sweep.
 */
static __always_inline __u32 kept_unasked(const struct settings *settings, __u8 protocol, __u8 tcp)
{
	if (!(tcp & FLOW_TCP_ACK))
		return flow_timeout(settings, protocol, tcp, tcp);
	if (!has_handshake(protocol))
		return shorter(settings->udp, settings->udp_stream);
	return shorter(shorter(settings->tcp_opening, settings->tcp_established),
		       shorter(settings->tcp_closing, settings->tcp_closed));
}

/*
 * Where one direction has been evicted, the other makes it anew with its next packet (PF-28): an
 * acknowledgement that it has shown stands for both.
 */
static __always_inline enum flow_state state_of_both(__u8 protocol, const struct flow *flow,
						     const struct flow *other)
{
	__u8 others = other ? other->tcp : flow->tcp & FLOW_TCP_ACK;

	if (flow->flags & FLOW_REPLY)
		return flow_state(protocol, others, flow->tcp);
	return flow_state(protocol, flow->tcp, others);
}

/* By a lookup of its own: the iterator's view of an entry may be of one that is being reused. */
static __always_inline bool is_seen_since(const struct flow_key *key, __u32 last_seen)
{
	const struct flow *now = bpf_map_lookup_elem(&flows, key);

	return !now || now->last_seen != last_seen;
}

/*
 * The request goes first: as long as the reply stands, no new flow can be given its ports, and no
 * request that outlives its reply can reach what has been given to another.
 */
static __always_inline void end_both(const struct flow_key *key, const struct flow_key *other,
				     bool is_reply)
{
	bpf_map_delete_elem(&flows, is_reply ? other : key);
	bpf_map_delete_elem(&flows, is_reply ? key : other);
}

/* What is to be told of one entry: enum sweep. */
static __always_inline __u8 sweep(const struct settings *settings, const struct flow_key *key,
				  const struct flow *flow)
{
	bool is_reply = flow->flags & FLOW_REPLY;
	__u8 kept = is_reply ? SWEEP_KEPT_REPLY : SWEEP_KEPT_REQUEST;
	__u32 last_seen = flow->last_seen;
	struct flow_key other_key;
	enum flow_state state;
	struct flow *other;
	bool is_taken;

	if (!is_idle(last_seen, kept_unasked(settings, key->protocol, flow->tcp)))
		return kept;
	key_of_other(key->protocol, flow, &other_key);
	other = bpf_map_lookup_elem(&flows, &other_key);
	/* Another flow has its ports by now: it can be of no use any more. */
	is_taken = other && !is_other_of(other, key);
	state = state_of_both(key->protocol, flow, is_taken ? NULL : other);
	if (!is_taken && !is_idle(last_seen, flow_state_timeout(settings, state)))
		return kept;
	if (!is_taken && other && !is_idle(other->last_seen, flow_state_timeout(settings, state)))
		return kept;
	if (is_seen_since(key, last_seen))
		return kept;
	if (other && !is_taken)
		end_both(key, &other_key, is_reply);
	else
		bpf_map_delete_elem(&flows, key);
	return SWEEP_EXPIRED + state;
}

SEC("iter/bpf_map_elem")
int sluice_expired_flows(struct bpf_iter__bpf_map_elem *ctx)
{
	const struct settings *settings = settings_now();
	struct flow_key *key_now = ctx->key;
	struct flow *flow = ctx->value;
	struct flow_key key;
	__u8 told;

	if (!key_now || !flow || !settings)
		return 0;
	/* Helpers of 5.10 take keys from the stack only. */
	key = *key_now;
	told = sweep(settings, &key, flow);
	bpf_seq_write(ctx->meta->seq, &told, sizeof(told));
	return 0;
}

#endif
