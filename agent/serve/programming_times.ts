import type { IpFamily } from "../model/address.ts";
import type { EndpointSlice } from "../model/endpoint.ts";
import type { SourceEvent } from "../model/event.ts";
import { objectKey } from "../model/key.ts";

/** A change of endpoints; the time is milliseconds since 1970. */
export interface EndpointChange {
  /** Key of its Service. */
  readonly service: string;
  readonly family: IpFamily;
  readonly changedAt: number;
}

/**
 * Changes of endpoints that were made since the start, until they are programmed (KP-60). A slice
 * says when it was changed, in whole seconds and by another machine's clock.
 */
export class ProgrammingTimes {
  readonly #startedAt: number;
  /** By key of the slice. */
  #waiting = new Map<string, EndpointChange[]>();

  constructor(startedAt: number) {
    this.#startedAt = startedAt;
  }

  add(event: SourceEvent): void {
    if (event.kind === "slice") this.#add(event.slice);
    // What has gone will not be programmed any more.
    if (event.kind === "slice-deleted") {
      this.#waiting.delete(objectKey(event.namespace, event.name));
    }
  }

  /** Everything that waited, each change once. */
  take(): readonly EndpointChange[] {
    const changes = [...this.#waiting.values()].flat();
    this.#waiting = new Map();
    return changes;
  }

  #add({ namespace, name, serviceName, family, changedAt }: EndpointSlice): void {
    if (changedAt === undefined || changedAt < this.#startedAt) return;
    const key = objectKey(namespace, name);
    const change = { service: objectKey(namespace, serviceName), family, changedAt };
    this.#waiting.set(key, [...(this.#waiting.get(key) ?? []), change]);
  }
}
