import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { inNetns } from "libbpf-ts";
import { netnsPath } from "../harness/netns.ts";

/** By the last segment of the path. */
const resources = {
  services: { apiVersion: "v1", kind: "Service" },
  endpointslices: { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice" },
  nodes: { apiVersion: "v1", kind: "Node" },
  servicecidrs: { apiVersion: "networking.k8s.io/v1", kind: "ServiceCIDR" },
} as const;

export type Resource = keyof typeof resources;

export interface ApiObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

export type ApiObjects = Readonly<Record<Resource, readonly ApiObject[]>>;

interface Change {
  readonly version: number;
  readonly resource: Resource;
  readonly before: ApiObject | undefined;
  readonly after: ApiObject | undefined;
}

type Selector = (object: ApiObject) => boolean;

interface Watch {
  readonly resource: Resource;
  readonly selects: Selector;
  readonly response: ServerResponse;
}

const BOOKMARK_MS = 1_000;
const FIRST_VERSION = 1_000;
const names = Object.keys(resources) as Resource[];

const keyOf = ({ metadata: { namespace = "", name } }: ApiObject): string => `${namespace}/${name}`;

/**
 * What an API server does for those that list and watch, over HTTP: selectors by whether a label
 * is there, by name and by clusterIP. All that it holds is replaced at once. Whatever else is asked of
 * it is not found.
 */
export class ReplaceableApi {
  readonly #objects = new Map<Resource, Map<string, ApiObject>>(
    names.map((name) => [name, new Map()]),
  );
  readonly #changes: Change[] = [];
  readonly #watches = new Set<Watch>();
  #server: Server | undefined;
  #bookmarks: NodeJS.Timeout | undefined;
  #version = FIRST_VERSION;

  /** Listens inside a network namespace; without a host Node makes the socket before it returns. */
  listen(netns: string, port: number): void {
    const server = createServer((incoming, response) => this.#answer(incoming, response));
    this.#server = server;
    inNetns(netnsPath(netns), () => server.listen(port));
    this.#bookmarks = setInterval(() => this.#bookmark(), BOOKMARK_MS);
  }

  close(): void {
    clearInterval(this.#bookmarks);
    for (const { response } of this.#watches) response.destroy();
    this.#server?.close();
  }

  /** What differs from before is changed, in the order given; what is missing is deleted first. */
  replace(objects: Partial<ApiObjects>): void {
    for (const resource of names) {
      const wanted = objects[resource];
      if (wanted === undefined) continue;
      const held = this.#objects.get(resource) ?? new Map<string, ApiObject>();
      const kept = new Set(wanted.map(keyOf));
      for (const [key, before] of [...held]) {
        if (!kept.has(key)) this.#change(resource, held, key, before, undefined);
      }
      for (const object of wanted) this.#put(resource, held, object);
    }
  }

  #put(resource: Resource, held: Map<string, ApiObject>, object: ApiObject): void {
    const key = keyOf(object);
    const before = held.get(key);
    const isSame = before !== undefined && sameContent(before, object);
    if (!isSame) this.#change(resource, held, key, before, object);
  }

  #change(
    resource: Resource,
    held: Map<string, ApiObject>,
    key: string,
    before: ApiObject | undefined,
    object: ApiObject | undefined,
  ): void {
    const version = ++this.#version;
    const after = object && stamped(resource, object, key, version);
    if (after === undefined) held.delete(key);
    else held.set(key, after);
    const gone = before && stamped(resource, before, key, version);
    const change = { version, resource, before: after === undefined ? gone : before, after };
    this.#changes.push(change);
    for (const watch of this.#watches) if (watch.resource === resource) tell(watch, change);
  }

  #answer(incoming: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams: query } = new URL(incoming.url ?? "", "http://localhost");
    const resource = names.find((name) => name === pathname.split("/").at(-1));
    response.setHeader("Content-Type", "application/json");
    if (resource === undefined || incoming.method !== "GET") refuse(response, 404, "NotFound");
    else if (query.has("sendInitialEvents")) refuse(response, 422, "Invalid");
    else if (query.has("watch")) this.#watch(resource, query, response);
    else response.end(JSON.stringify(this.#list(resource, selectorOf(query))));
  }

  #list(resource: Resource, selects: Selector): object {
    const { apiVersion, kind } = resources[resource];
    const items = [...(this.#objects.get(resource)?.values() ?? [])].filter(selects);
    const metadata = { resourceVersion: `${this.#version}` };
    return { kind: `${kind}List`, apiVersion, metadata, items };
  }

  #watch(resource: Resource, query: URLSearchParams, response: ServerResponse): void {
    const watch = { resource, selects: selectorOf(query), response };
    response.flushHeaders();
    response.socket?.setNoDelay(true);
    const since = Number(query.get("resourceVersion") ?? 0);
    for (const change of this.#changes) {
      if (change.resource === resource && change.version > since) tell(watch, change);
    }
    this.#watches.add(watch);
    response.on("close", () => this.#watches.delete(watch));
  }

  #bookmark(): void {
    const metadata = { resourceVersion: `${this.#version}` };
    for (const { resource, response } of this.#watches) {
      write(response, "BOOKMARK", { ...resources[resource], metadata });
    }
  }
}

const sameContent = (held: ApiObject, object: ApiObject): boolean => {
  const {
    resourceVersion: _,
    uid: __,
    creationTimestamp: ___,
    ...metadata
  } = held.metadata as Record<string, unknown>;
  const { apiVersion: ____, kind: _____, ...rest } = held;
  return JSON.stringify({ ...rest, metadata }) === JSON.stringify(object);
};

const stamped = (resource: Resource, object: ApiObject, key: string, version: number) => ({
  ...resources[resource],
  ...object,
  metadata: { ...object.metadata, uid: `${resource}-${key}`, resourceVersion: `${version}` },
});

/** An object that comes to be selected was added, to its watchers, and one that ceases to be was deleted. */
function tell({ selects, response }: Watch, { before, after }: Change): void {
  const was = before !== undefined && selects(before);
  const is = after !== undefined && selects(after);
  if (is) write(response, was ? "MODIFIED" : "ADDED", after);
  else if (was) write(response, "DELETED", after ?? before);
}

const write = (response: ServerResponse, type: string, object: unknown): void => {
  response.write(`${JSON.stringify({ type, object })}\n`);
};

function selectorOf(query: URLSearchParams): Selector {
  const labels = (query.get("labelSelector") ?? "").split(",").filter(Boolean);
  const fields = (query.get("fieldSelector") ?? "").split(",").filter(Boolean);
  const selectors = [...labels.map(labelSelector), ...fields.map(fieldSelector)];
  return (object) => selectors.every((selects) => selects(object));
}

function labelSelector(term: string): Selector {
  if (/[=( ]/.test(term))
    throw new Error(`label selectors know only whether one is there: ${term}`);
  const label = term.replace(/^!/, "");
  return ({ metadata: { labels = {} } }) => label in labels === (label === term);
}

function fieldSelector(term: string): Selector {
  const [field = "", value = ""] = term.split(/!?=/);
  const wanted = !term.includes("!=");
  return (object) => {
    const held = field === "metadata.name" ? object.metadata.name : clusterIPOf(object);
    return (held === value) === wanted;
  };
}

const clusterIPOf = ({ spec }: ApiObject): string =>
  (spec as { readonly clusterIP?: string } | undefined)?.clusterIP ?? "";

/** A list by way of a watch is refused: those who ask for one fall back to a list. */
function refuse(response: ServerResponse, code: number, reason: string): void {
  response.statusCode = code;
  const status = { kind: "Status", apiVersion: "v1", status: "Failure", reason, code };
  response.end(JSON.stringify(status));
}
