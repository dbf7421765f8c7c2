import { addon, type Handle } from "../addon.ts";
import { MalformedError } from "../malformed.ts";
import { type NetlinkMessage, parseMessages } from "./message.ts";

/** The kernel fills no larger datagram when it dumps. */
const BUFFER_SIZE = 64 * 1024;

/** Takes datagrams off a socket. */
export class Reader {
  readonly #handle: Handle;
  readonly #buffer = new Uint8Array(BUFFER_SIZE);

  constructor(handle: Handle) {
    this.#handle = handle;
  }

  /** The messages of the next datagram, or -errno: -EAGAIN where none waits. */
  read(): NetlinkMessage[] | number {
    const size = addon.netlinkReceive(this.#handle, this.#buffer);
    if (size < 0) return size;
    if (size > this.#buffer.byteLength) {
      throw new MalformedError("netlink", `a datagram of ${size} bytes does not fit the buffer`);
    }
    return parseMessages(this.#buffer.slice(0, size));
  }
}
