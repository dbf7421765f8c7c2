import type { ServiceFailure } from "./failure.ts";

export interface StandingFailure extends ServiceFailure {
  /** Milliseconds since 1970. */
  readonly since: number;
  /** Attempts after the first. */
  readonly retries: number;
}

/** How long each failure has stood. */
export class FailureLog {
  #standing: ReadonlyMap<string, StandingFailure> = new Map();

  /**
   * Takes what fails now; `retried` says that each of them was just tried once more. True: something
   * else fails than before, or for another reason.
   */
  update(failures: readonly ServiceFailure[], now: number, retried: boolean): boolean {
    if (failures.length === 0 && this.#standing.size === 0) return false;
    const before = this.#standing;
    this.#standing = new Map(
      failures.map((failure) => {
        const { since = now, retries = 0 } = before.get(failure.key) ?? {};
        const again = retried && before.has(failure.key) ? 1 : 0;
        return [failure.key, { ...failure, since, retries: retries + again }];
      }),
    );
    const isNew = ({ key, message }: ServiceFailure) => before.get(key)?.message !== message;
    return this.#standing.size !== before.size || failures.some(isNew);
  }

  list(): readonly StandingFailure[] {
    return [...this.#standing.values()];
  }
}
