export interface DirtyService {
  /** "namespace/name". */
  readonly service: string;
  /** When the oldest change that is not published yet was told. Milliseconds since 1970. */
  readonly since: number;
}

/** The Services that changed, each once, the longest waiting first. */
export class DirtyQueue {
  readonly #since = new Map<string, number>();

  get size(): number {
    return this.#since.size;
  }

  has(service: string): boolean {
    return this.#since.has(service);
  }

  add(service: string, now: number): void {
    if (!this.#since.has(service)) this.#since.set(service, now);
  }

  /** Undefined: nothing waits. */
  get oldest(): number | undefined {
    return this.#since.values().next().value;
  }

  take(most: number): readonly DirtyService[] {
    const taken: DirtyService[] = [];
    for (const [service, since] of this.#since) {
      if (taken.length === most) break;
      taken.push({ service, since });
      this.#since.delete(service);
    }
    return taken;
  }
}
