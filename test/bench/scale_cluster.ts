import type { SourceEvent } from "../../agent/model/event.ts";
import { Interner } from "../../agent/sources/parse/intern.ts";
import { parseService } from "../../agent/sources/parse/service.ts";
import { parseSlice } from "../../agent/sources/parse/slice.ts";
import { ENDPOINTS, serviceObject, sliceObject } from "./scale_objects.ts";

/** What a source would say of a cluster of so many Services. */
export class ScaleCluster {
  readonly #interner = new Interner();
  readonly #generations: number[][];

  constructor(services: number) {
    this.#generations = Array.from({ length: services }, () => new Array(ENDPOINTS).fill(0));
  }

  get services(): number {
    return this.#generations.length;
  }

  get endpoints(): number {
    return this.services * ENDPOINTS;
  }

  /** Everything, as it is when the source begins. */
  first(): SourceEvent[] {
    const events = this.#generations.flatMap((_, n) => [this.#service(n), this.#slice(n)]);
    const synced = (["services", "endpointslices", "nodes"] as const).map(
      (resource) => ({ kind: "synced", resource }) as const,
    );
    return [...events, ...synced];
  }

  /** Another pod takes the place of one, in a random Service. */
  replacement(): SourceEvent {
    const n = Math.floor(Math.random() * this.services);
    const generations = this.#generations[n] ?? [];
    const at = Math.floor(Math.random() * ENDPOINTS);
    generations[at] = (generations[at] ?? 0) + 1;
    return this.#slice(n);
  }

  #service(n: number): SourceEvent {
    const parsed = parseService(serviceObject(n, "1"), this.#interner);
    if (parsed.kind !== "object") throw new Error(`Service ${n} is ${parsed.kind}`);
    return { kind: "service", service: parsed.object };
  }

  #slice(n: number): SourceEvent {
    const parsed = parseSlice(sliceObject(n, "1", this.#generations[n] ?? []), this.#interner);
    if (parsed.kind !== "object") throw new Error(`EndpointSlice ${n} is ${parsed.kind}`);
    return { kind: "slice", slice: parsed.object };
  }
}
