/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SCTP's checksum (RFC 9260, appendix A), without a pass over the packet. A CRC is a remainder of
 * polynomials over GF(2), so a change of four bytes changes it by their remainder, times x^8 for
 * each byte from there to the end. Coefficients stand as on the wire: x^0 is the highest bit.
 */
#ifndef SLUICE_CRC32C_H
#define SLUICE_CRC32C_H

/* x^32, of which the polynomial leaves this. */
#define CRC32C_X32 0x82f63b78

/* Product of two remainders. */
__noinline __u32 crc32c_multiply(__u32 a, __u32 b)
{
	__u32 product = 0;
	int i;

	for (i = 0; i < 32; i++) {
		product ^= b & -(a >> 31);
		a <<= 1;
		b = b >> 1 ^ (CRC32C_X32 & -(b & 1));
	}
	return product;
}

/* x^(8 * 2^i) */
static const __u32 crc32c_powers[] = {
	0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18, 0x510ac59a, 0xb82be955, 0xb8fdb1e7,
	0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a, 0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc,
};

/*
 * What the CRC of so many bytes gains (by exclusive or) where their first four change by `change`.
 * Fewer than 2^16 bytes.
 */
__noinline __u32 crc32c_gain(__u32 change, __u32 bytes)
{
	int i;

	for (i = 0; i < (int)(sizeof(crc32c_powers) / sizeof(crc32c_powers[0])); i++)
		if (bytes >> i & 1)
			change = crc32c_multiply(change, crc32c_powers[i]);
	return change;
}

/* Of whole words, taken as they lie in memory; so is the result. */
static __always_inline __u32 crc32c(const __u32 *words, __u32 count)
{
	__u32 crc = ~0U, i;

	for (i = 0; i < count; i++)
		crc = crc32c_multiply(crc ^ words[i], CRC32C_X32);
	return ~crc;
}

#endif
