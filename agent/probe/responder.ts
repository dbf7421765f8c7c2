import type { RemoteInfo, Socket } from "node:dgram";
import type { ProbePlace } from "../datapath/probe_service.ts";
import { bindTo } from "./socket.ts";

/**
 * The endpoint behind the agent's own Service in one family: it sends each datagram back to where
 * that came from.
 */
export class Responder {
  readonly place: ProbePlace;
  readonly port: number;
  readonly #socket: Socket;
  /** By what is waited for. */
  readonly #waiting = new Map<string, () => void>();

  private constructor(place: ProbePlace, socket: Socket) {
    this.place = place;
    this.port = socket.address().port;
    this.#socket = socket.unref();
    socket.on("message", (message, from) => this.#answer(message, from));
  }

  /** @throws where the node does not have this family, or no socket can be had. */
  static async open(place: ProbePlace): Promise<Responder> {
    return new Responder(place, await bindTo(place));
  }

  /**
   * Sends a datagram to itself, past all translation, and resolves once it has come: what is without
   * an answer then is so because of the programs.
   */
  hear(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.set(text, resolve);
      this.#socket.send(text, this.port, this.place.loopback, () => {});
    });
  }

  /** That it has not come need not be known any more. */
  forget(text: string): void {
    this.#waiting.delete(text);
  }

  close(): void {
    this.#socket.close();
  }

  #answer(message: Buffer, { address, port }: RemoteInfo): void {
    const isOwn = port === this.port && address === this.place.loopback;
    if (isOwn) this.#waiting.get(message.toString())?.();
    else this.#socket.send(message, port, address, () => {});
  }
}
