import type { EndpointSlice } from "./endpoint.ts";
import type { Resource, SourceEvent } from "./event.ts";
import { objectKey } from "./key.ts";
import type { Node } from "./node.ts";
import type { Service } from "./service.ts";
import type { ServiceCidr } from "./service_cidr.ts";

/** What a batch of events may have altered in the desired state. */
export interface Change {
  /** Keys ("namespace/name") of Services that came, went or changed, or whose endpoints did. */
  readonly services: ReadonlySet<string>;
  /** Every Service may be affected, since this node moved to another zone (KP-05, KP-11). */
  readonly everything: boolean;
  /** Ranges of ClusterIPs, or those of other proxies in them, came, went or were listed (KP-31). */
  readonly serviceCidrs: boolean;
}

const NO_SLICES: readonly EndpointSlice[] = [];

/**
 * The objects that a source has told of, each held as it was handed in. Keys are those of
 * `objectKey`. A change costs time in proportion to itself, and to the number of slices of its
 * Service.
 */
export class Store {
  readonly #nodeName: string;
  readonly #services = new Map<string, Service>();
  readonly #slices = new Map<string, EndpointSlice>();
  readonly #slicesByService = new Map<string, EndpointSlice[]>();
  readonly #foreign = new Map<string, readonly string[]>();
  readonly #serviceCidrs = new Map<string, ServiceCidr>();
  readonly #synced = new Set<Resource>();
  #node: Node | undefined;

  /** Nodes other than the one named are ignored. */
  constructor(nodeName: string) {
    this.#nodeName = nodeName;
  }

  apply(events: readonly SourceEvent[]): Change {
    const dirty = new Set<string>();
    const zone = this.#node?.zone;
    for (const event of events) this.#applyOne(event, dirty);
    const everything = this.#node?.zone !== zone;
    return { services: dirty, everything, serviceCidrs: events.some(tellsOfServiceCidrs) };
  }

  /** Services and EndpointSlices have both been listed once: programming may begin (KP-04). */
  get ready(): boolean {
    return this.#synced.has("services") && this.#synced.has("endpointslices");
  }

  get synced(): ReadonlySet<Resource> {
    return this.#synced;
  }

  /** This node; undefined while, or once again when, no source knows it (KP-05). */
  get node(): Node | undefined {
    return this.#node;
  }

  service(key: string): Service | undefined {
    return this.#services.get(key);
  }

  /** Whether or not the Service exists. In no particular order; valid until the next `apply`. */
  slicesOf(key: string): readonly EndpointSlice[] {
    return this.#slicesByService.get(key) ?? NO_SLICES;
  }

  /** Of all ServiceCIDRs, each once. */
  serviceCidrs(): ReadonlySet<string> {
    return new Set(this.#serviceCidrs.values().flatMap(({ cidrs }) => cidrs));
  }

  /** ClusterIPs of the Services that other proxies serve (KP-01). */
  foreignAddresses(): ReadonlySet<string> {
    return new Set([...this.#foreign.values()].flat());
  }

  services(): Iterable<readonly [key: string, service: Service]> {
    return this.#services.entries();
  }

  get serviceCount(): number {
    return this.#services.size;
  }

  get sliceCount(): number {
    return this.#slices.size;
  }

  #applyOne(event: SourceEvent, dirty: Set<string>): void {
    switch (event.kind) {
      case "service": {
        const key = objectKey(event.service.namespace, event.service.name);
        this.#services.set(key, event.service);
        dirty.add(key);
        break;
      }
      case "service-deleted": {
        const key = objectKey(event.namespace, event.name);
        if (this.#services.delete(key)) dirty.add(key);
        break;
      }
      case "slice":
        this.#putSlice(event.slice, dirty);
        break;
      case "slice-deleted":
        this.#deleteSlice(objectKey(event.namespace, event.name), dirty);
        break;
      case "node":
        if (event.node.name === this.#nodeName) this.#node = event.node;
        break;
      case "node-deleted":
        if (event.name === this.#nodeName) this.#node = undefined;
        break;
      case "foreign-service":
        this.#foreign.set(objectKey(event.namespace, event.name), event.addresses);
        break;
      case "foreign-service-deleted":
        this.#foreign.delete(objectKey(event.namespace, event.name));
        break;
      case "service-cidr":
        this.#serviceCidrs.set(event.serviceCidr.name, event.serviceCidr);
        break;
      case "service-cidr-deleted":
        this.#serviceCidrs.delete(event.name);
        break;
      case "synced":
        this.#synced.add(event.resource);
        break;
    }
  }

  #putSlice(slice: EndpointSlice, dirty: Set<string>): void {
    const sliceKey = objectKey(slice.namespace, slice.name);
    const old = this.#slices.get(sliceKey);
    this.#slices.set(sliceKey, slice);
    if (old !== undefined && old.serviceName !== slice.serviceName) this.#detach(old, dirty);
    const key = objectKey(slice.namespace, slice.serviceName);
    dirty.add(key);
    const siblings = this.#slicesByService.get(key);
    if (siblings === undefined) {
      this.#slicesByService.set(key, [slice]);
      return;
    }
    const at = old === undefined ? -1 : siblings.indexOf(old);
    if (at < 0) siblings.push(slice);
    else siblings[at] = slice;
  }

  #deleteSlice(sliceKey: string, dirty: Set<string>): void {
    const old = this.#slices.get(sliceKey);
    if (old === undefined) return;
    this.#slices.delete(sliceKey);
    this.#detach(old, dirty);
  }

  #detach(slice: EndpointSlice, dirty: Set<string>): void {
    const key = objectKey(slice.namespace, slice.serviceName);
    dirty.add(key);
    const siblings = this.#slicesByService.get(key);
    if (siblings === undefined) return;
    siblings.splice(siblings.indexOf(slice), 1);
    if (siblings.length === 0) this.#slicesByService.delete(key);
  }
}

const ofServiceCidrs: ReadonlySet<string> = new Set([
  "service-cidr",
  "service-cidr-deleted",
  "foreign-service",
  "foreign-service-deleted",
]);

const tellsOfServiceCidrs = (event: SourceEvent): boolean =>
  event.kind === "synced"
    ? event.resource === "servicecidrs" || event.resource === "foreignservices"
    : ofServiceCidrs.has(event.kind);
