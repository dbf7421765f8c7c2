import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Child } from "../harness/child.ts";
import { command } from "../harness/command.ts";
import { ownPrefix } from "../harness/leftovers.ts";
import type { Site } from "../harness/load.ts";

interface Answer {
  readonly errno?: string;
  readonly fd?: number;
  readonly text?: string;
  readonly from?: string;
  readonly address?: string;
  readonly cookie?: string;
}

export interface Received {
  /** Name of the pod that sent it. */
  readonly backend: string;
  /** ADDRESS:PORT, as recvfrom(2) tells it; undefined for TCP. */
  readonly from: string | undefined;
}

/** A system call of a socket under remote control failed. */
export class SocketError extends Error {
  /** Symbolic, such as ECONNREFUSED. */
  readonly errno: string;

  constructor(operation: string, errno: string) {
    super(`${operation}: ${errno}`);
    this.name = "SocketError";
    this.errno = errno;
  }
}

const answerMs = 5_000;

/** A socket of a process inside a pod or on a node, one system call at a time. */
export class RemoteSocket {
  readonly #sockets: Sockets;
  readonly #fd: number;

  constructor(sockets: Sockets, fd: number) {
    this.#sockets = sockets;
    this.#fd = fd;
  }

  /** To a port of the kernel's choice. */
  async bind(address: string): Promise<void> {
    await this.#sockets.ask("bind", this.#fd, address);
  }

  async connect(address: string, port: number): Promise<void> {
    await this.#sockets.ask("connect", this.#fd, address, port);
  }

  /** By connect(2) to AF_UNSPEC. */
  async disconnect(): Promise<void> {
    await this.#sockets.ask("disconnect", this.#fd);
  }

  async send(text = "hello"): Promise<void> {
    await this.#sockets.ask("send", this.#fd, text);
  }

  async sendTo(address: string, port: number): Promise<void> {
    await this.#sockets.ask("sendto", this.#fd, address, port, "hello");
  }

  async receive(deadlineMs = answerMs): Promise<Received> {
    const { text = "", from } = await this.#sockets.ask("receive", this.#fd, deadlineMs);
    return { backend: text.split(" ")[0] ?? "", from };
  }

  /** Sends one datagram to whom the socket is connected, and reads the answer. */
  async request(): Promise<Received> {
    await this.send();
    return await this.receive();
  }

  /** Sends one datagram by sendto(2), and reads the answer. */
  async requestFrom(address: string, port: number): Promise<Received> {
    await this.sendTo(address, port);
    return await this.receive();
  }

  /** What getpeername(2) says, as ADDRESS:PORT. */
  async peer(): Promise<string> {
    return (await this.#sockets.ask("peer", this.#fd)).address ?? "";
  }

  /** The kernel makes the cookie when it is asked for first. */
  async cookie(): Promise<bigint> {
    return BigInt((await this.#sockets.ask("cookie", this.#fd)).cookie ?? 0);
  }

  async close(): Promise<void> {
    await this.#sockets.ask("close", this.#fd);
  }
}

/** A process that opens sockets where it was started; they are gone when it is disposed of. */
export class Sockets implements AsyncDisposable {
  readonly #folder: string;
  readonly #process: Child;
  readonly #control: Socket;
  readonly #lines: AsyncIterator<string>;

  private constructor(folder: string, process: Child, control: Socket) {
    this.#folder = folder;
    this.#process = process;
    this.#control = control;
    this.#lines = createInterface({ input: control })[Symbol.asyncIterator]();
  }

  static async start(site: Site): Promise<Sockets> {
    await command("make", ["-s", "-C", import.meta.dirname, "-f", makefile, "build/sockets"]);
    const folder = await mkdtemp(join(tmpdir(), `${ownPrefix}sockets-`));
    const path = join(folder, "control");
    const process = site.start(join(import.meta.dirname, "build/sockets"), [path]);
    await process.printed("ready\n");
    return new Sockets(folder, process, connect(path));
  }

  async open(protocol: "tcp" | "udp" | "icmp", family: 4 | 6): Promise<RemoteSocket> {
    const { fd = -1 } = await this.ask("open", protocol, family);
    return new RemoteSocket(this, fd);
  }

  /** Opens a socket of the address's family and connects it. */
  async connected(protocol: "tcp" | "udp", address: string, port: number): Promise<RemoteSocket> {
    const socket = await this.open(protocol, address.includes(":") ? 6 : 4);
    await socket.connect(address, port);
    return socket;
  }

  /** One command at a time. @throws {SocketError} */
  async ask(...words: readonly (string | number)[]): Promise<Answer> {
    this.#control.write(`${words.join(" ")}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`sockets ended: ${this.#process.stderr}`);
    const answer = JSON.parse(value) as Answer;
    if (answer.errno !== undefined) throw new SocketError(words.join(" "), answer.errno);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#control.destroy();
    await this.#process.stop("SIGKILL");
    await rm(this.#folder, { recursive: true, force: true });
  }
}

const makefile = "../harness/Makefile";
