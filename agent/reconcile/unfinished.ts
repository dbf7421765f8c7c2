import type { DesiredService } from "../compile/records.ts";
import type { ServiceFailure } from "./failure.ts";

/** A Service port that is not yet as it should be, and what it should be; undefined: gone. */
export interface UnfinishedService {
  readonly desired: DesiredService | undefined;
  /** Undefined: it waits for space that is about to be given back. */
  readonly failure: ServiceFailure | undefined;
  /** Grace periods that had ended when it began to wait. */
  readonly waitsSince: number;
}

/** The Service ports that `retry` has to go through again. */
export class Unfinished {
  readonly #services = new Map<string, UnfinishedService>();

  get waiting(): number {
    return this.#services.size - this.failures().length;
  }

  get(key: string): UnfinishedService | undefined {
    return this.#services.get(key);
  }

  set(key: string, service: UnfinishedService): void {
    this.#services.set(key, service);
  }

  delete(key: string): void {
    this.#services.delete(key);
  }

  /** Those of one Service ("namespace/name"). */
  keysOf(service: string): readonly string[] {
    return [...this.#services.keys()].filter((key) => key.startsWith(`${service}:`));
  }

  failures(): readonly ServiceFailure[] {
    return Array.from(this.#services.values(), ({ failure }) => failure ?? []).flat();
  }

  removals(): readonly string[] {
    return [...this.#services].filter(([, { desired }]) => !desired).map(([key]) => key);
  }

  /** Those that are to stand. */
  wanted(): readonly (readonly [key: string, desired: DesiredService])[] {
    return [...this.#services].flatMap(([key, { desired }]) =>
      desired === undefined ? [] : [[key, desired] as const],
    );
  }
}
