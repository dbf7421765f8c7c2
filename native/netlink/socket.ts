import { addon, type Handle, type NativePoll } from "../addon.ts";
import { ArgumentError, BpfError, check } from "../errors.ts";
import { inNetns } from "../kernel.ts";
import { encodeMessage, MESSAGE_FLAGS, type NetlinkMessage } from "./message.ts";
import { Reader } from "./reader.ts";
import { Reply } from "./reply.ts";

/** By netlink's protocol numbers (linux/netlink.h). */
const PROTOCOLS = { route: 0, sock_diag: 4, netfilter: 12, generic: 16 } as const;
export type NetlinkProtocol = keyof typeof PROTOCOLS;

export interface OpenNetlinkOptions {
  /** The namespace that the socket is to live in: /run/netns/NAME. The thread's own otherwise. */
  readonly netns?: string;
}

export interface NetlinkRequest {
  readonly type: number;
  /** NLM_F_* beside REQUEST and ACK, which are set anyway. */
  readonly flags?: number;
  /** The family's fixed header and attributes, padded. */
  readonly payload: Uint8Array;
}

const EAGAIN = 11;
const ENOBUFS = 105;
const EINTR = 4;
const ETIMEDOUT = 110;
const ATTEMPTS = 8;
/** The kernel answers before send returns; this is for one that never does. */
const DEADLINE_MS = 10_000;

/** Makes the socket that `openNetlink` and `subscribeNetlink` share the making of. */
export function openSocket(protocol: NetlinkProtocol, { netns }: OpenNetlinkOptions): Handle {
  const number = PROTOCOLS[protocol];
  if (number === undefined) throw new ArgumentError(`no netlink protocol is called ${protocol}`);
  const open = () => addon.netlinkOpen(number);
  const handle = netns === undefined ? open() : inNetns(netns, open);
  return check<Handle>("netlink.open", netns ?? protocol, handle);
}

export function openNetlink(
  protocol: NetlinkProtocol,
  options: OpenNetlinkOptions = {},
): NetlinkSocket {
  return new NetlinkSocket(protocol, openSocket(protocol, options));
}

interface Pending {
  readonly request: NetlinkRequest;
  readonly resolve: (messages: NetlinkMessage[]) => void;
  readonly reject: (error: unknown) => void;
  attempts: number;
}

/** Requests and their answers, one after the other. Keeps the process alive while one is open. */
export class NetlinkSocket {
  readonly protocol: NetlinkProtocol;
  readonly #handle: Handle;
  readonly #poll: NativePoll;
  readonly #reader: Reader;
  readonly #waiting: Pending[] = [];
  #current: { pending: Pending; reply: Reply; timer: NodeJS.Timeout } | undefined;
  #sequence = 0;

  /** See `openNetlink`. */
  constructor(protocol: NetlinkProtocol, handle: Handle) {
    this.protocol = protocol;
    this.#handle = handle;
    this.#reader = new Reader(handle);
    this.#poll = new addon.Poll(handle.fd, () => this.#read());
    this.#poll.unref();
  }

  /**
   * The messages that answer a request, without the acknowledgement at the end. A dump that changes
   * under way (NLM_F_DUMP_INTR) or overruns the buffer (ENOBUFS) is asked for anew, 8 times at most.
   * @throws {BpfError} with the kernel's errno and, where it gives one, its explanation.
   */
  request(request: NetlinkRequest): Promise<NetlinkMessage[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject, attempts: 0 });
      this.#next();
    });
  }

  /** Idempotent. Requests that wait fail with EBADF. */
  close(): void {
    this.#poll.close();
    this.#handle.close();
    for (const { reject } of this.#waiting.splice(0)) reject(this.#error("request", 9));
    this.#finish((pending) => pending.reject(this.#error("request", 9)));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #next(): void {
    if (this.#current !== undefined) return;
    const pending = this.#waiting.shift();
    if (pending === undefined) return;
    const { type, payload, flags = 0 } = pending.request;
    const sequence = ++this.#sequence >>> 0;
    const isDump = (flags & MESSAGE_FLAGS.dump) === MESSAGE_FLAGS.dump;
    const all = flags | MESSAGE_FLAGS.request | (isDump ? 0 : MESSAGE_FLAGS.ack);
    const timer = setTimeout(() => this.#fail(ETIMEDOUT), DEADLINE_MS);
    this.#current = { pending, reply: new Reply(sequence, isDump), timer };
    this.#poll.ref();
    pending.attempts += 1;
    const message = encodeMessage({ type, payload, flags: all, sequence });
    const sent = addon.netlinkSend(this.#handle, message);
    if (sent < 0) this.#fail(-sent);
  }

  #read(): void {
    try {
      for (;;) {
        const messages = this.#reader.read();
        if (messages === -EAGAIN) return;
        if (typeof messages === "number") this.#retry(-messages);
        else this.#take(messages);
      }
    } catch (error) {
      this.#finish((pending) => pending.reject(error));
    }
  }

  #take(messages: readonly NetlinkMessage[]): void {
    for (const message of messages) {
      const reply = this.#current?.reply;
      if (reply === undefined || !reply.add(message)) continue;
      const { errno, explanation } = reply.outcome ?? { errno: 0, explanation: undefined };
      if (errno !== 0) this.#fail(errno, explanation);
      else if (reply.interrupted) this.#retry(EINTR);
      else this.#finish((pending) => pending.resolve(reply.messages));
    }
  }

  /** Changes are not asked for twice: what came of the first is unknown. */
  #retry(errno: number): void {
    const current = this.#current;
    if (current === undefined) return;
    const again = errno === EINTR || errno === ENOBUFS;
    if (!again || !current.reply.isDump || current.pending.attempts >= ATTEMPTS) {
      this.#fail(errno);
      return;
    }
    this.#finish((pending) => this.#waiting.unshift(pending));
  }

  #fail(errno: number, explanation?: string): void {
    this.#finish((pending) => {
      pending.reject(this.#error(`request ${pending.request.type}`, errno, explanation));
    });
  }

  #finish(settle: (pending: Pending) => void): void {
    if (this.#current === undefined) return;
    const { pending, timer } = this.#current;
    clearTimeout(timer);
    this.#current = undefined;
    this.#poll.unref();
    settle(pending);
    this.#next();
  }

  #error(operation: string, errno: number, reason?: string): BpfError {
    return new BpfError({
      operation: `netlink.${operation}`,
      target: this.protocol,
      errno,
      reason,
    });
  }
}
