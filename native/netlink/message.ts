import { MalformedError } from "../malformed.ts";
import { Attributes } from "./attribute.ts";

export interface NetlinkMessage {
  readonly type: number;
  /** NLM_F_*. */
  readonly flags: number;
  readonly sequence: number;
  /** All after the netlink header. */
  readonly payload: Uint8Array;
}

/** NLM_F_* of netlink(7). */
export const MESSAGE_FLAGS = {
  request: 0x1,
  multi: 0x2,
  ack: 0x4,
  dumpInterrupted: 0x10,
  dump: 0x300,
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
} as const;

/** Types below 16 belong to netlink itself. */
export const MESSAGE_TYPES = { noop: 1, error: 2, done: 3, overrun: 4 } as const;

const HEADER_SIZE = 16;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;

export function encodeMessage(message: NetlinkMessage): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE + message.payload.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.byteLength, true);
  view.setUint16(4, message.type, true);
  view.setUint16(6, message.flags, true);
  view.setUint32(8, message.sequence, true);
  bytes.set(message.payload, HEADER_SIZE);
  return bytes;
}

/**
 * The messages of one datagram.
 * @throws {MalformedError} for a length that is shorter than a header or ends outside.
 */
export function parseMessages(datagram: Uint8Array): NetlinkMessage[] {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at < datagram.byteLength; ) {
    const left = datagram.byteLength - at;
    const size = left < HEADER_SIZE ? 0 : view.getUint32(at, true);
    if (size < HEADER_SIZE || size > left) {
      throw new MalformedError("netlink", `a message of ${size} bytes with ${left} left`);
    }
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      payload: datagram.subarray(at + HEADER_SIZE, at + size),
    });
    at += (size + 3) & ~3;
  }
  return messages;
}

/** How a request ended. */
export interface Outcome {
  /** 0: well. Positive otherwise. */
  readonly errno: number;
  /** The kernel's own words (extended acknowledgement, kernel 4.12). */
  readonly explanation: string | undefined;
}

/** Of an NLMSG_ERROR or NLMSG_DONE message. */
export function parseOutcome(message: NetlinkMessage): Outcome {
  const { payload, type } = message;
  if (payload.byteLength < 4) {
    if (type === MESSAGE_TYPES.done) return { errno: 0, explanation: undefined };
    throw new MalformedError("netlink", "an error message without an error");
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return { errno: Math.abs(view.getInt32(0, true)), explanation: explanationOf(message, view) };
}

function explanationOf({ type, flags, payload }: NetlinkMessage, view: DataView) {
  if ((flags & NLM_F_ACK_TLVS) === 0) return undefined;
  let start = 4;
  if (type === MESSAGE_TYPES.error) {
    const echoed = payload.byteLength < 20 ? HEADER_SIZE : view.getUint32(4, true);
    start += (flags & NLM_F_CAPPED) === 0 ? (echoed + 3) & ~3 : HEADER_SIZE;
  }
  return new Attributes(payload.subarray(start)).string(NLMSGERR_ATTR_MSG);
}
