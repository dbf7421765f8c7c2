import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Resource } from "../../agent/model/event.ts";

interface Raw {
  metadata: { namespace?: string; name: string; resourceVersion?: string; [more: string]: unknown };
  [more: string]: unknown;
}

interface Change {
  readonly version: number;
  readonly resource: Resource;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: Raw;
}

export interface Request {
  readonly resource: Resource;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
}

/** Answers a request in place of the server; false leaves it to the server. */
export type Handler = (request: Request, response: ServerResponse) => boolean;

/**
 * What list and watch of a Kubernetes API server do, on a real socket: versions, pages, bookmarks,
 * forgotten versions. It checks no selectors: the requests are kept for the test to look at.
 */
export class FakeApiServer {
  readonly requests: Request[] = [];
  readonly handlers: Handler[] = [];
  /** Takes connections and requests, and says nothing, as a process that was stopped. */
  isFrozen = false;
  /** Times that it was asked whether it lives. */
  questions = 0;
  /** Objects a page, whatever a request asks for. */
  pageSize = 500;
  readonly #server = createServer((request, response) => this.#answer(request, response));
  readonly #sockets = new Set<Socket>();
  readonly #objects = new Map<string, { resource: Resource; object: Raw }>();
  readonly #changes: Change[] = [];
  readonly #watches = new Map<ServerResponse, Resource>();
  #version = 100;
  #oldest = 0;
  #port = 0;

  constructor() {
    this.#server.on("connection", (socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  /** On the port that it had before, if any. */
  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Ends with every connection. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  /** Breaks every connection off. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Taken so far. */
  connections = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get version(): string {
    return String(this.#version);
  }

  put(resource: Resource, object: Raw): void {
    const key = keyOf(resource, object);
    const stamped = this.#stamp(object);
    const type = this.#objects.has(key) ? "MODIFIED" : "ADDED";
    this.#objects.set(key, { resource, object: stamped });
    this.#change({ version: this.#version, resource, type, object: stamped });
  }

  delete(resource: Resource, object: Raw): void {
    this.#objects.delete(keyOf(resource, object));
    this.#change({
      version: this.#version + 1,
      resource,
      type: "DELETED",
      object: this.#stamp(object),
    });
  }

  objects(resource: Resource): readonly Raw[] {
    const held = [...this.#objects.values()].filter((each) => each.resource === resource);
    return held.map(({ object }) => object);
  }

  /** Forgets what happened up to now: a watch from before gets 410. */
  compact(): void {
    this.#oldest = this.#version;
    this.#changes.length = 0;
  }

  bookmark(): void {
    this.#version++;
    for (const [response] of this.#watches) {
      send(response, "BOOKMARK", { metadata: { resourceVersion: this.version } });
    }
  }

  /** Writes bytes into the watches of a resource. */
  write(resource: Resource, bytes: Buffer | string): void {
    for (const [response, watched] of this.#watches)
      if (watched === resource) response.write(bytes);
  }

  /** Says nothing any more to the watches of a resource that there are, and leaves them open. */
  hang(resource: Resource): void {
    for (const [response, watched] of this.#watches) {
      if (watched === resource) this.#watches.delete(response);
    }
  }

  /** Ends the watches as their time limit would. */
  endWatches(): void {
    for (const [response] of this.#watches) response.end();
    this.#watches.clear();
  }

  watching(resource: Resource): boolean {
    return [...this.#watches.values()].includes(resource);
  }

  requestsOf(resource: Resource, kind: "list" | "watch"): Request[] {
    return this.requests.filter(
      (request) =>
        request.resource === resource && request.query.has("watch") === (kind === "watch"),
    );
  }

  /** The object as it would be sent, without being kept. */
  stamped(object: Raw): Raw {
    return this.#stamp(object);
  }

  #stamp(object: Raw): Raw {
    this.#version++;
    return { ...object, metadata: { ...object.metadata, resourceVersion: this.version } };
  }

  #change(change: Change): void {
    this.#changes.push(change);
    for (const [response, resource] of this.#watches) {
      if (resource === change.resource) send(response, change.type, change.object);
    }
  }

  #answer(incoming: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams: query } = new URL(incoming.url ?? "", this.url);
    if (pathname === "/livez") {
      this.questions++;
      if (!this.isFrozen) answer(response, 200, "ok");
      return;
    }
    const isForeign = query.get("labelSelector") === "service.kubernetes.io/service-proxy-name";
    const resource = isForeign ? "foreignservices" : (pathname.split("/").at(-1) as Resource);
    const request = { resource, query, headers: incoming.headers };
    this.requests.push(request);
    if (this.isFrozen) return;
    const handler = this.handlers.findIndex((handle) => handle(request, response));
    if (handler >= 0) this.handlers.splice(handler, 1);
    else if (query.has("watch")) this.#watch(resource, query, response);
    else this.#list(resource, query, response);
  }

  #list(resource: Resource, query: URLSearchParams, response: ServerResponse): void {
    const all = this.objects(resource);
    const from = Number(query.get("continue") ?? 0);
    const to = from + this.pageSize;
    const items = all.slice(from, to);
    const more = to < all.length ? { continue: String(to) } : {};
    answer(response, 200, { metadata: { resourceVersion: this.version, ...more }, items });
  }

  #watch(resource: Resource, query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get("resourceVersion"));
    response.writeHead(200, { "Content-Type": "application/json" });
    response.flushHeaders();
    if (from < this.#oldest) {
      send(response, "ERROR", status(410, "Expired", `too old resource version: ${from}`));
      response.end();
      return;
    }
    this.#watches.set(response, resource);
    response.on("close", () => this.#watches.delete(response));
    for (const change of this.#changes) {
      if (change.resource === resource && change.version > from) {
        send(response, change.type, change.object);
      }
    }
  }
}

export function answer(
  response: ServerResponse,
  code: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): boolean {
  response.writeHead(code, { "Content-Type": "application/json", ...headers });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
  return true;
}

export const status = (code: number, reason: string, message: string) => ({
  kind: "Status",
  apiVersion: "v1",
  status: "Failure",
  code,
  reason,
  message,
});

const send = (response: ServerResponse, type: string, object: unknown): boolean =>
  response.write(`${JSON.stringify({ type, object })}\n`);

const keyOf = (resource: Resource, { metadata }: Raw): string =>
  `${resource}/${metadata.namespace}/${metadata.name}`;
