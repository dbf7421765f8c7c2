import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** A TCP port of 127.0.0.1, or a UNIX socket: that one is reached from every network namespace. */
export type Endpoint =
  | { readonly host: "127.0.0.1"; readonly port: number }
  | { readonly path: string };

export const loopback = (port: number): Endpoint => ({ host: "127.0.0.1", port });

/**
 * A relay in front of the API server that can be shut: what runs behind it then sees its
 * connections break and new ones refused, while the test goes on changing objects.
 */
export class Gate implements AsyncDisposable {
  readonly #target: Endpoint;
  readonly #sockets = new Set<Socket>();
  #server: Server;
  #place: Endpoint;

  private constructor(target: Endpoint, place: Endpoint) {
    this.#target = target;
    this.#place = place;
    this.#server = this.#makeServer();
  }

  /** An open gate; on a free port of 127.0.0.1 unless another place is named. */
  static async before(target: Endpoint, place = loopback(0)): Promise<Gate> {
    const gate = new Gate(target, place);
    await gate.open();
    return gate;
  }

  /** Where the API server is reached through this gate. */
  get url(): string {
    if ("path" in this.#place) throw new Error(`a gate at ${this.#place.path} has no URL`);
    return `https://127.0.0.1:${this.#place.port}`;
  }

  #makeServer(): Server {
    // What passes in small pieces, as a watch does, must not wait for the peer's acknowledgement.
    return createServer({ noDelay: true }, (client) => {
      const upstream = connect({ ...this.#target, noDelay: true });
      this.#hold(client, upstream);
      this.#hold(upstream, client);
    });
  }

  #hold(socket: Socket, other: Socket): void {
    this.#sockets.add(socket);
    socket.pipe(other);
    // Either end's failure is the other's as well; the error itself tells nothing.
    socket.on("error", () => {});
    socket.once("close", () => {
      this.#sockets.delete(socket);
      other.destroy();
    });
  }

  /** Relays again, at the same place as before. */
  async open(): Promise<void> {
    this.#server = this.#makeServer();
    this.#server.listen(this.#place);
    await once(this.#server, "listening");
    const address = this.#server.address() as AddressInfo | string;
    if (typeof address !== "string") this.#place = loopback(address.port);
  }

  /** Breaks every connection and refuses new ones. */
  async shut(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) breakOff(socket);
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.shut();
  }
}

/** By a reset where there is such a thing: a UNIX socket can only be closed. */
function breakOff(socket: Socket): void {
  if (socket.remoteAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
