import { ArgumentError } from "../errors.ts";
import { MalformedError } from "../malformed.ts";
import { MESSAGE_FLAGS, type NetlinkMessage } from "./message.ts";
import type { NetlinkSocket } from "./socket.ts";

/** What sock_diag(7) tells sockets apart by. */
export interface SocketId {
  readonly family: "IPv4" | "IPv6";
  readonly protocol: "TCP" | "UDP";
  /** 4 or 16 bytes; an IPv4 one may be v4-mapped. */
  readonly source: Uint8Array;
  readonly sourcePort: number;
  readonly destination: Uint8Array;
  readonly destinationPort: number;
  /** That the socket is bound to; 0: none. */
  readonly ifindex?: number;
  /** Guards against a socket that took the place of the one meant. Any, unless given. */
  readonly cookie?: bigint;
}

export interface SocketDescription extends Required<SocketId> {
  /** enum of tcp_states.h: 1 established, 7 closed or unconnected UDP, 10 listening. */
  readonly state: number;
  readonly uid: number;
  /** As in /proc/PID/fd. */
  readonly inode: number;
}

const SOCK_DIAG_BY_FAMILY = 20;
const SOCK_DESTROY = 21;
const FAMILIES = { IPv4: 2, IPv6: 10 } as const;
const PROTOCOLS = { TCP: 6, UDP: 17 } as const;
const REQUEST_SIZE = 56;
const DESCRIPTION_SIZE = 72;
const ANY_COOKIE = 0xffff_ffff_ffff_ffffn;

/**
 * Closes another process's socket: what it does on it next fails with ECONNABORTED. The netlink
 * socket ("sock_diag") must be of the same network namespace, by `netns`. Needs CAP_NET_ADMIN and
 * CONFIG_INET_DIAG_DESTROY.
 * @throws {BpfError} isNotFound where it is gone, isUnsupported where the kernel cannot.
 */
export async function destroySocket(socket: NetlinkSocket, id: SocketId): Promise<void> {
  const payload = encodeInetDiagRequest(id, 0xffff_ffff);
  await socket.request({ type: SOCK_DESTROY, payload });
}

/** All sockets of one family and protocol in the netlink socket's network namespace. */
export async function listSockets(
  socket: NetlinkSocket,
  family: SocketId["family"],
  protocol: SocketId["protocol"],
): Promise<SocketDescription[]> {
  const any = new Uint8Array(family === "IPv4" ? 4 : 16);
  const id: SocketId = {
    family,
    protocol,
    source: any,
    sourcePort: 0,
    destination: any,
    destinationPort: 0,
  };
  const payload = encodeInetDiagRequest(id, 0xffff_ffff);
  const request = { type: SOCK_DIAG_BY_FAMILY, flags: MESSAGE_FLAGS.dump, payload };
  const messages = await socket.request(request);
  return messages.map((message) => parseDescription(message, protocol));
}

/** struct inet_diag_req_v2 (linux/inet_diag.h). `states` is a set of 1 << state. */
export function encodeInetDiagRequest(id: SocketId, states: number): Uint8Array {
  const bytes = new Uint8Array(REQUEST_SIZE);
  const view = new DataView(bytes.buffer);
  bytes[0] = FAMILIES[id.family] ?? refuse("family", id.family);
  bytes[1] = PROTOCOLS[id.protocol] ?? refuse("protocol", id.protocol);
  view.setUint32(4, states, true);
  view.setUint16(8, port(id.sourcePort));
  view.setUint16(10, port(id.destinationPort));
  bytes.set(address(id.family, id.source), 12);
  bytes.set(address(id.family, id.destination), 28);
  view.setUint32(44, id.ifindex ?? 0, true);
  view.setBigUint64(48, id.cookie ?? ANY_COOKIE, true);
  return bytes;
}

function parseDescription(
  { payload }: NetlinkMessage,
  protocol: SocketId["protocol"],
): SocketDescription {
  if (payload.byteLength < DESCRIPTION_SIZE) {
    throw new MalformedError("netlink", `a socket described in ${payload.byteLength} bytes`);
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const family = view.getUint8(0) === FAMILIES.IPv4 ? "IPv4" : "IPv6";
  const size = family === "IPv4" ? 4 : 16;
  return {
    family,
    protocol,
    state: view.getUint8(1),
    sourcePort: view.getUint16(4),
    destinationPort: view.getUint16(6),
    source: payload.slice(8, 8 + size),
    destination: payload.slice(24, 24 + size),
    ifindex: view.getUint32(40, true),
    cookie: view.getBigUint64(44, true),
    uid: view.getUint32(64, true),
    inode: view.getUint32(68, true),
  };
}

function address(family: SocketId["family"], bytes: Uint8Array): Uint8Array {
  const size = family === "IPv4" ? 4 : 16;
  if (bytes.byteLength === size) return bytes;
  if (family === "IPv4" && bytes.byteLength === 16) return bytes.subarray(12);
  throw new ArgumentError(`an ${family} address has ${size} bytes, not ${bytes.byteLength}`);
}

function port(number: number): number {
  if (Number.isInteger(number) && number >= 0 && number <= 0xffff) return number;
  throw new ArgumentError(`${number} is no port`);
}

function refuse(what: string, value: unknown): never {
  throw new ArgumentError(`${String(value)} is no ${what}`);
}
