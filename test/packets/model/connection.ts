import { type Tuple, UDP } from "./headers.ts";
import type { Route } from "./routing.ts";
import { addressKey } from "./services.ts";

export type Origin = "outside" | "pod";

/** How packets of one direction leave the program. */
export type Path = Extract<Route, { kind: "device" }> | { readonly kind: "stack" };

export interface Connection {
  readonly origin: Origin;
  readonly service: number;
  readonly backend: number;
  readonly generation: number;
  readonly slice: "cluster" | "local";
  readonly masquerade: boolean;
  /** The backend runs on this node. */
  readonly local: boolean;
  /**
   * Both directions skip the stack, and replies are translated where they come in; otherwise they
   * are where they go out.
   */
  readonly skips: boolean;
  /** From the client, and what that becomes. */
  readonly request: Tuple;
  readonly translated: Tuple;
  readonly requestPath: Path;
  readonly replyPath: Path;
  /** A FIN from either side, or RST. */
  closing: boolean;
  /** The backend has. */
  answered: boolean;
  /** Idle beyond its timeout, but still there: a first packet begins anew. */
  expired: boolean;
}

export interface Flow {
  readonly connection: Connection;
  readonly reply: boolean;
  /** What packets of this direction look like afterwards. */
  readonly becomes: Tuple;
  readonly path: Path;
}

export const turned = (tuple: Tuple): Tuple => ({
  source: tuple.destination,
  destination: tuple.source,
  sourcePort: tuple.destinationPort,
  destinationPort: tuple.sourcePort,
  protocol: tuple.protocol,
});

export const tupleKey = ({
  source,
  destination,
  sourcePort,
  destinationPort,
  protocol,
}: Tuple): string =>
  `${protocol} ${addressKey(source)}:${sourcePort} ${addressKey(destination)}:${destinationPort}`;

/** A tuple that does not share bytes with a packet. */
export const ownTuple = (tuple: Tuple): Tuple => ({
  ...tuple,
  source: tuple.source.slice(),
  destination: tuple.destination.slice(),
});

/** Both directions of every connection, each by the packets that it meets. */
export class Flows {
  readonly #flows = new Map<string, Flow>();

  get(tuple: Tuple): Flow | undefined {
    return this.#flows.get(tupleKey(tuple));
  }

  add(connection: Connection): void {
    for (const reply of [false, true]) this.#set(flowOf(connection, reply));
  }

  /** As an LRU map evicts it. */
  evict(connection: Connection, reply: boolean): void {
    this.#flows.delete(tupleKey(metBy(connection, reply)));
  }

  /** Whether the other direction is there too. */
  isWhole({ connection, reply }: Flow): boolean {
    return this.#flows.has(tupleKey(metBy(connection, !reply)));
  }

  /** Makes the other direction anew where it is missing. */
  repair(flow: Flow): void {
    if (!this.isWhole(flow)) this.#set(flowOf(flow.connection, !flow.reply));
  }

  /**
   * What answers a packet that nothing translates belongs to it, and to no flow: but to a connection
   * that neither end has closed.
   */
  giveWay(tuple: Tuple): void {
    const flow = this.get(turned(tuple));
    if (!flow?.reply || (tuple.protocol !== UDP && !flow.connection.closing)) return;
    for (const reply of [false, true]) this.evict(flow.connection, reply);
  }

  connections(): readonly Connection[] {
    return [...new Set(this.#flows.values().map(({ connection }) => connection))];
  }

  clear(): void {
    this.#flows.clear();
  }

  #set(flow: Flow): void {
    this.#flows.set(tupleKey(metBy(flow.connection, flow.reply)), flow);
  }
}

const metBy = ({ request, translated }: Connection, reply: boolean): Tuple =>
  reply ? turned(translated) : request;

const flowOf = (connection: Connection, reply: boolean): Flow => ({
  connection,
  reply,
  becomes: reply ? turned(connection.request) : connection.translated,
  path: reply ? connection.replyPath : connection.requestPath,
});
