/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the functions that work on one packet share. Kept in a map and not on the stack, so that the
 * larger ones need no other argument than the packet: the verifier then looks at each of them once,
 * and not on every way that leads to it. No program of this kind interrupts another on its CPU.
 */
#ifndef SLUICE_SCRATCH_H
#define SLUICE_SCRATCH_H

enum part {
	PART_WHOLE,
	PART_FIRST, /* has the ports and is followed by others */
	PART_LATER, /* has no transport header */
};

struct packet {
	struct flow_key key;
	__u16 l3;       /* offsets from the start of the frame */
	__u16 l4;
	__u32 length;   /* of the network packet, by its own header */
	__be32 identification; /* of a fragment */
	__u16 headers;  /* bytes of network and transport header together */
	__u8 tcp;       /* flags; of SCTP, what its first chunk comes to */
	__u8 ttl;
	__u8 part;      /* enum part */
	bool v4;
};

struct scratch {
	struct packet packet;
	struct flow request; /* of a new flow */
	struct flow reply;
	struct flow_key reply_key;
	struct flow_key ended_key; /* of the replies of the flow that gives way; protocol 0: none does */
	__u32 egress_flags; /* enum device_flag of the route that was found last */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__type(key, __u32);
	__type(value, struct scratch);
	__uint(max_entries, 1);
} scratch SEC(".maps");

static __always_inline struct scratch *scratch_now(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

static __always_inline struct packet *packet_now(void)
{
	struct scratch *now = scratch_now();

	return now ? &now->packet : NULL;
}

#endif
