/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How far a flow has come, and how long it is kept for it. */
#ifndef SLUICE_FLOW_STATE_H
#define SLUICE_FLOW_STATE_H

/* Begins with a SYN and ends with a FIN or RST, or what SCTP has in their places. */
static __always_inline bool has_handshake(__u8 protocol)
{
	return protocol != IPPROTO_UDP;
}

/* Both arguments are enum flow_tcp; UDP shows ACK in `reply` once an answer has been seen. */
static __always_inline enum flow_state flow_state(__u8 protocol, __u8 request, __u8 reply)
{
	if (!has_handshake(protocol))
		return reply & FLOW_TCP_ACK ? FLOW_STREAM : FLOW_UNREPLIED;
	if ((request | reply) & FLOW_TCP_RST || request & reply & FLOW_TCP_FIN)
		return FLOW_CLOSED;
	if ((request | reply) & FLOW_TCP_FIN)
		return FLOW_CLOSING;
	return reply & FLOW_TCP_ACK ? FLOW_ESTABLISHED : FLOW_OPENING;
}

/* In ticks after the last packet of either direction. */
static __always_inline __u32 flow_state_timeout(const struct settings *settings,
						enum flow_state state)
{
	switch (state) {
	case FLOW_OPENING:
		return settings->tcp_opening;
	case FLOW_ESTABLISHED:
		return settings->tcp_established;
	case FLOW_CLOSING:
		return settings->tcp_closing;
	case FLOW_CLOSED:
		return settings->tcp_closed;
	case FLOW_UNREPLIED:
		return settings->udp;
	default:
		return settings->udp_stream;
	}
}

static __always_inline __u32 flow_timeout(const struct settings *settings, __u8 protocol,
					  __u8 request, __u8 reply)
{
	return flow_state_timeout(settings, flow_state(protocol, request, reply));
}

#endif
