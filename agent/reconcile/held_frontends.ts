const NONE: readonly string[] = [];

/** Which service each entry of the map `frontends` points to, and back. */
export class HeldFrontends {
  readonly #owners = new Map<string, number>();
  readonly #byOwner: (readonly string[] | undefined)[] = [];

  get size(): number {
    return this.#owners.size;
  }

  owner(frontend: string): number | undefined {
    return this.#owners.get(frontend);
  }

  of(service: number): readonly string[] {
    return this.#byOwner[service] ?? NONE;
  }

  /** Takes it from the service that had it. */
  set(frontend: string, service: number): void {
    this.delete(frontend);
    this.#owners.set(frontend, service);
    // Unlike a spread, this leaves no room for more: there is one such list for each service.
    this.#byOwner[service] = this.of(service).concat(frontend);
  }

  delete(frontend: string): void {
    const owner = this.#owners.get(frontend);
    if (owner === undefined) return;
    this.#owners.delete(frontend);
    const rest = this.of(owner).filter((other) => other !== frontend);
    this.#byOwner[owner] = rest.length === 0 ? undefined : rest;
  }
}
