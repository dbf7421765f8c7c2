import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Objects a page: what the agent asks for. */
const PAGE = 500;
const BOOKMARK_MS = 1_000;

/** By the last segment of the path. */
const resources = {
  services: { apiVersion: "v1", kind: "Service" },
  endpointslices: { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice" },
  nodes: { apiVersion: "v1", kind: "Node" },
  servicecidrs: { apiVersion: "networking.k8s.io/v1", kind: "ServiceCIDR" },
} as const;

export type ListedResource = keyof typeof resources;

/**
 * What an API server does for those that list and watch, over HTTP: lists in pages that are rendered
 * ahead, watches with bookmarks. Whatever else is asked of it is not found.
 */
export class ListedApi {
  /** Milliseconds since 1970; undefined: none has come since this was cleared. */
  firstRequestAt: number | undefined;
  readonly #pages: Readonly<Record<string, readonly Buffer[]>>;
  readonly #watches = new Map<string, ServerResponse>();
  #version = 1_000_000;

  constructor(objects: Readonly<Record<ListedResource, readonly unknown[]>>) {
    const names = Object.keys(resources) as ListedResource[];
    this.#pages = Object.fromEntries(
      names.map((name) => [name, this.#render(name, objects[name])]),
    );
  }

  /** Of JSON, in all lists. */
  get bytes(): number {
    return Object.values(this.#pages)
      .flat()
      .reduce((sum, page) => sum + page.length, 0);
  }

  /** Gives the port on 127.0.0.1; 0 stands for any. */
  async listen(port: number): Promise<number> {
    const server = createServer((incoming, response) => this.#answer(incoming, response));
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    setInterval(() => this.#bookmark(), BOOKMARK_MS);
    return (server.address() as AddressInfo).port;
  }

  nextVersion(): string {
    return `${++this.#version}`;
  }

  /** Hands it to the system at once: as it comes, Node would gather what a whole turn writes. */
  send(resource: string, type: string, object: unknown): void {
    const watch = this.#watches.get(resource);
    watch?.cork();
    watch?.write(`${JSON.stringify({ type, object })}\n`);
    watch?.uncork();
  }

  #render(resource: ListedResource, objects: readonly unknown[]): readonly Buffer[] {
    const { apiVersion, kind } = resources[resource];
    const starts = Array.from(
      { length: Math.max(1, Math.ceil(objects.length / PAGE)) },
      (_, i) => i,
    );
    return starts.map((page) => {
      const more = (page + 1) * PAGE < objects.length ? { continue: `${page + 1}` } : {};
      const metadata = { resourceVersion: `${this.#version}`, ...more };
      const items = objects.slice(page * PAGE, (page + 1) * PAGE);
      return Buffer.from(JSON.stringify({ kind: `${kind}List`, apiVersion, metadata, items }));
    });
  }

  #answer(incoming: IncomingMessage, response: ServerResponse): void {
    this.firstRequestAt ??= performance.timeOrigin + performance.now();
    const { pathname, searchParams: query } = new URL(incoming.url ?? "", "http://localhost");
    const resource = pathname.split("/").at(-1) ?? "";
    const pages = incoming.method === "GET" ? this.#pages[resource] : undefined;
    response.setHeader("Content-Type", "application/json");
    if (pages === undefined) refuse(response, 404, "NotFound");
    else if (query.has("sendInitialEvents")) refuse(response, 422, "Invalid");
    else if (query.has("watch")) this.#watch(resource, response);
    else response.end(pages[Number(query.get("continue") ?? 0)]);
  }

  #watch(resource: string, response: ServerResponse): void {
    response.flushHeaders();
    this.#watches.set(resource, response);
    response.on("close", () => {
      if (this.#watches.get(resource) === response) this.#watches.delete(resource);
    });
  }

  #bookmark(): void {
    for (const resource of this.#watches.keys()) {
      const metadata = { resourceVersion: `${this.#version}` };
      this.send(resource, "BOOKMARK", { ...resources[resource as ListedResource], metadata });
    }
  }
}

/** A list by way of a watch is refused: those who ask for one fall back to a list. */
function refuse(response: ServerResponse, code: number, reason: string): void {
  response.statusCode = code;
  response.end(
    JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", reason, code }),
  );
}
