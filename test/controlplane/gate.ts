import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/**
 * A TCP relay in front of the API server that can be shut: what runs behind it then sees its
 * connections break and new ones refused, while the test goes on changing objects.
 */
export class Gate implements AsyncDisposable {
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  #server: Server;
  #port = 0;

  private constructor(target: number) {
    this.#target = target;
    this.#server = this.#makeServer();
  }

  /** An open gate on a port of 127.0.0.1, in front of another port of it. */
  static async before(target: number): Promise<Gate> {
    const gate = new Gate(target);
    await gate.open();
    return gate;
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  #makeServer(): Server {
    return createServer((client) => {
      const upstream = connect(this.#target, "127.0.0.1");
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

  /** Relays again, on the same port as before. */
  async open(): Promise<void> {
    this.#server = this.#makeServer();
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Breaks every connection and refuses new ones. */
  async shut(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.shut();
  }
}
