import type { Frontend } from "../../bpf/build/layout.ts";

const NONE: readonly string[] = [];

/** What each entry of the map `frontends` says, and which of them point to a service. */
export class HeldFrontends {
  readonly #values = new Map<string, Frontend>();
  readonly #byOwner: (readonly string[] | undefined)[] = [];

  get size(): number {
    return this.#values.size;
  }

  texts(): IteratorObject<string> {
    return this.#values.keys();
  }

  value(frontend: string): Frontend | undefined {
    return this.#values.get(frontend);
  }

  owner(frontend: string): number | undefined {
    return this.#values.get(frontend)?.service;
  }

  of(service: number): readonly string[] {
    return this.#byOwner[service] ?? NONE;
  }

  /** Takes it from the service that had it. */
  set(frontend: string, value: Frontend): void {
    const isKept = this.owner(frontend) === value.service;
    if (!isKept) this.delete(frontend);
    this.#values.set(frontend, value);
    // Unlike a spread, this leaves no room for more: there is one such list for each service.
    if (!isKept) this.#byOwner[value.service] = this.of(value.service).concat(frontend);
  }

  delete(frontend: string): void {
    const owner = this.owner(frontend);
    if (owner === undefined) return;
    this.#values.delete(frontend);
    const rest = this.of(owner).filter((other) => other !== frontend);
    this.#byOwner[owner] = rest.length === 0 ? undefined : rest;
  }
}
