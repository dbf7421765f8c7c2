import { IndexAllocator } from "../datapath/allocator_index.ts";

const NONE: readonly number[] = [];

/**
 * Which index of the map `services` each Service port has. Ports are grouped by Service, so that
 * those of a Service that went are found.
 */
export class ServiceTable {
  readonly indices: IndexAllocator;
  readonly #keys: (string | undefined)[] = [];
  readonly #byService = new Map<string, readonly number[]>();
  /** The port in the index's record in `names`; 0: it has none. */
  readonly #namedPorts: Uint16Array;

  constructor(capacity: number) {
    this.indices = new IndexAllocator(capacity);
    this.#namedPorts = new Uint16Array(capacity);
  }

  index(portKey: string): number | undefined {
    const indices = this.#byService.get(serviceOf(portKey)) ?? NONE;
    return indices.find((index) => this.#keys[index] === portKey);
  }

  key(index: number): string | undefined {
    return this.#keys[index];
  }

  keys(): readonly string[] {
    return this.#keys.filter((key) => key !== undefined);
  }

  /** The port keys of one Service ("namespace/name"). */
  keysOf(service: string): readonly string[] {
    const indices = this.#byService.get(service) ?? NONE;
    return indices.flatMap((index) => this.#keys[index] ?? []);
  }

  add(portKey: string, index: number): void {
    const service = serviceOf(portKey);
    this.#keys[index] = portKey;
    // Unlike a spread, this leaves no room for more: there is one such list for each Service.
    this.#byService.set(service, (this.#byService.get(service) ?? NONE).concat(index));
  }

  remove(index: number): void {
    const portKey = this.#keys[index];
    if (portKey === undefined) return;
    this.#keys[index] = undefined;
    const service = serviceOf(portKey);
    const rest = (this.#byService.get(service) ?? NONE).filter((other) => other !== index);
    if (rest.length === 0) this.#byService.delete(service);
    else this.#byService.set(service, rest);
  }

  /** Records in `names`. */
  get named(): number {
    return this.#namedPorts.reduce((count, port) => count + (port === 0 ? 0 : 1), 0);
  }

  namedPort(index: number): number {
    return this.#namedPorts[index] ?? 0;
  }

  setNamedPort(index: number, port: number): void {
    this.#namedPorts[index] = port;
  }
}

/** The key of an index that stands in the maps without a valid name. */
export const anonymousKey = (index: number): string => `#${index}`;

export const isAnonymous = (portKey: string): boolean => portKey.startsWith("#");

function serviceOf(portKey: string): string {
  const colon = portKey.indexOf(":");
  return colon < 0 ? portKey : portKey.slice(0, colon);
}
