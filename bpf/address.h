/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_ADDRESS_H
#define SLUICE_ADDRESS_H

#define MAPPED_PREFIX bpf_htonl(0x0000ffff)

static __always_inline struct address address_of_v4(__be32 v4)
{
	return (struct address){ { 0, 0, MAPPED_PREFIX, v4 } };
}

static __always_inline bool address_is_v4(const struct address *a)
{
	return a->word[0] == 0 && a->word[1] == 0 && a->word[2] == MAPPED_PREFIX;
}

/* 0.0.0.0 or :: */
static __always_inline bool address_is_unspecified(const struct address *a)
{
	return a->word[3] == 0 && a->word[1] == 0 && a->word[0] == 0 &&
	       (a->word[2] == 0 || a->word[2] == MAPPED_PREFIX);
}

/* 127.0.0.0/8 or ::1 */
static __always_inline bool address_is_loopback(const struct address *a)
{
	if (address_is_v4(a))
		return (a->word[3] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
	return a->word[0] == 0 && a->word[1] == 0 && a->word[2] == 0 && a->word[3] == bpf_htonl(1);
}

/* 127.0.0.1 or ::1 */
static __always_inline struct address loopback_address(bool v4)
{
	return v4 ? address_of_v4(bpf_htonl(0x7f000001)) :
		    (struct address){ { 0, 0, 0, bpf_htonl(1) } };
}

/* One host: no group, and nothing that no host can be reached at. */
static __always_inline bool address_is_host(const struct address *a)
{
	__u8 first = *(const __u8 *)&a->word[address_is_v4(a) ? 3 : 0];

	if (address_is_unspecified(a) || address_is_loopback(a))
		return false;
	return address_is_v4(a) ? first && first < 224 : first != 0xff;
}

static __always_inline bool address_equal(const struct address *a, const struct address *b)
{
	return a->word[3] == b->word[3] && a->word[2] == b->word[2] && a->word[1] == b->word[1] &&
	       a->word[0] == b->word[0];
}

#endif
