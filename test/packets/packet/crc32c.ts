/** Of each byte, its bits reversed, as the polynomial 0x1edc6f41 is. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = remainder & 1 ? (remainder >>> 1) ^ 0x82f63b78 : remainder >>> 1;
  }
  return remainder;
});

/** CRC32c byte by byte (RFC 9260 appendix A); SCTP sends its lowest byte first. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (table[(crc ^ byte) & 255] ?? 0) ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Where an SCTP packet has its checksum. */
export const sctpChecksumAt = 8;

/** Of an SCTP packet, whatever stands in its field: it counts as zero. */
export function sctpChecksum(packet: Uint8Array): number {
  return crc32c(packet.slice().fill(0, sctpChecksumAt, sctpChecksumAt + 4));
}
