/** What a packet is to be; `encode` makes the bytes. Every checksum is right unless given. */
export interface PacketSpec {
  readonly ethernet: EthernetSpec;
  /** Addresses in text, both of one family. */
  readonly source: string;
  readonly destination: string;
  /** TTL or hop limit; default 64. */
  readonly ttl?: number;
  readonly tos?: number;
  readonly transport: Transport;
  /** IPv4 only. */
  readonly id?: number;
  readonly dontFragment?: boolean;
  /** Options or padding, a multiple of 4 bytes; IPv4 only. */
  readonly options?: readonly number[];
  /** IPv6 only. */
  readonly extensions?: readonly Extension[];
  readonly fragment?: FragmentSpec;
  /** Bytes behind the packet, as short Ethernet frames have them. */
  readonly padding?: number;
}

export interface EthernetSpec {
  readonly source: string;
  readonly destination: string;
  /** An 802.1Q tag in the frame. */
  readonly vlan?: number;
}

/** A piece of the transport header and payload. */
export interface FragmentSpec {
  readonly id: number;
  /** Bytes, a multiple of 8. */
  readonly offset: number;
  /** Bytes; to the end where absent. */
  readonly length?: number;
}

/** IPv6 extension headers (RFC 8200 4.3 to 4.6, RFC 4302); a fragment header comes by `fragment`. */
export type Extension =
  | { readonly kind: "hop-by-hop" | "destination-options"; readonly words?: number }
  | { readonly kind: "routing"; readonly segmentsLeft: number; readonly type?: number }
  | { readonly kind: "authentication"; readonly words?: number };

export type Transport = Tcp | Udp | Sctp | Icmp | Raw;

export interface Ports {
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export interface Tcp extends Ports {
  readonly kind: "tcp";
  /** Letters of FSRPAUEC; default "A". */
  readonly flags?: string;
  readonly seq?: number;
  readonly ack?: number;
  readonly window?: number;
  /** A multiple of 4 bytes. */
  readonly options?: readonly number[];
  readonly payload?: Uint8Array;
  readonly checksum?: number;
}

export interface Udp extends Ports {
  readonly kind: "udp";
  readonly payload?: Uint8Array;
  readonly checksum?: number;
}

/** A packet with one chunk (RFC 9260 3). */
export interface Sctp extends Ports {
  readonly kind: "sctp";
  readonly chunk: Chunk;
  /** Verification tag; default 0 of INIT, else 7. */
  readonly tag?: number;
  /** Behind the chunk's header; padded to a multiple of 4 bytes. */
  readonly payload?: Uint8Array;
  /** 0: left to the device. */
  readonly checksum?: number;
}

export type Chunk = keyof typeof CHUNK;

/** ICMP, or ICMPv6 where the addresses are IPv6. */
export interface Icmp {
  readonly kind: "icmp";
  readonly type: number;
  readonly code: number;
  /** The four bytes after the checksum: MTU, pointer, identifier and sequence. */
  readonly rest?: number;
  readonly payload?: Uint8Array;
  readonly checksum?: number;
}

export interface Raw {
  readonly kind: "raw";
  readonly protocol: number;
  readonly payload: Uint8Array;
}

export const PROTOCOL = {
  hopByHop: 0,
  icmp: 1,
  tcp: 6,
  udp: 17,
  routing: 43,
  fragment: 44,
  authentication: 51,
  icmp6: 58,
  noNext: 59,
  destinationOptions: 60,
  sctp: 132,
} as const;

export const ETHERTYPE = { ip4: 0x0800, ip6: 0x86dd, vlan: 0x8100 } as const;

export const CHUNK = {
  data: 0,
  init: 1,
  initAck: 2,
  sack: 3,
  heartbeat: 4,
  heartbeatAck: 5,
  abort: 6,
  shutdown: 7,
  shutdownAck: 8,
  error: 9,
  cookieEcho: 10,
  cookieAck: 11,
  shutdownComplete: 14,
} as const;

export const TCP_FLAGS = "FSRPAUEC";
