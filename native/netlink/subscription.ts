import { addon, type Handle, type NativePoll } from "../addon.ts";
import { ArgumentError, BpfError, check } from "../errors.ts";
import type { NetlinkMessage } from "./message.ts";
import { Reader } from "./reader.ts";
import { type NetlinkProtocol, type OpenNetlinkOptions, openSocket } from "./socket.ts";

export interface SubscriptionOptions extends OpenNetlinkOptions {
  /** Numbers of multicast groups: RTNLGRP_* for "route". */
  readonly groups: readonly number[];
  readonly onMessage: (message: NetlinkMessage) => void;
  /** Messages were lost (ENOBUFS): ask for the whole state again. */
  readonly onOverrun: () => void;
  /** The socket broke, or a message is malformed. Thrown where absent. */
  readonly onError?: (error: Error) => void;
  /** Room for messages that wait; 4 MiB unless given. Less without CAP_NET_ADMIN. */
  readonly bufferBytes?: number;
}

const EAGAIN = 11;
const ENOBUFS = 105;

/** Delivers the messages of multicast groups on the event loop, until closed. */
export function subscribeNetlink(
  protocol: NetlinkProtocol,
  options: SubscriptionOptions,
): NetlinkSubscription {
  for (const callback of [options.onMessage, options.onOverrun]) {
    if (typeof callback !== "function") throw new ArgumentError("a subscription takes functions");
  }
  const handle = openSocket(protocol, options);
  try {
    addon.netlinkSetReceiveBuffer(handle, options.bufferBytes ?? 4 << 20);
    for (const group of options.groups) {
      check("netlink.subscribe", `${protocol} group ${group}`, addon.netlinkJoin(handle, group));
    }
    return new NetlinkSubscription(protocol, handle, options);
  } catch (error) {
    handle.close();
    throw error;
  }
}

export class NetlinkSubscription {
  readonly protocol: NetlinkProtocol;
  readonly #handle: Handle;
  readonly #poll: NativePoll;
  readonly #reader: Reader;
  readonly #options: SubscriptionOptions;

  /** See `subscribeNetlink`. */
  constructor(protocol: NetlinkProtocol, handle: Handle, options: SubscriptionOptions) {
    this.protocol = protocol;
    this.#handle = handle;
    this.#options = options;
    this.#reader = new Reader(handle);
    this.#poll = new addon.Poll(handle.fd, () => this.#read());
  }

  /** Whether the subscription keeps the process alive; it does at first. */
  ref(): void {
    this.#poll.ref();
  }

  unref(): void {
    this.#poll.unref();
  }

  /** Idempotent. */
  close(): void {
    this.#poll.close();
    this.#handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #read(): void {
    while (this.#handle.fd >= 0) {
      const messages = this.#receive();
      if (messages === undefined) return;
      for (const message of messages) this.#options.onMessage(message);
    }
  }

  #receive(): readonly NetlinkMessage[] | undefined {
    try {
      const messages = this.#reader.read();
      if (typeof messages !== "number") return messages;
      if (messages === -EAGAIN) return undefined;
      if (messages !== -ENOBUFS) {
        const errno = -messages;
        throw new BpfError({ operation: "netlink.receive", target: this.protocol, errno });
      }
    } catch (error) {
      if (this.#options.onError === undefined) throw error;
      this.#options.onError(error as Error);
      return undefined;
    }
    this.#options.onOverrun();
    return [];
  }
}
