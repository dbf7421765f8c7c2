/** In milliseconds; of the bookmark that comes each minute, one may be late. */
const bookmarkPatience = 90_000;

/** When what is held of one resource was last known to be current. Times are milliseconds since 1970. */
export class Freshness {
  #isWatching = false;
  /** When the resource's own list or watch last said something. */
  #heardAt = 0;
  #confirmedAt: number | undefined;

  get confirmedAt(): Date | undefined {
    return this.#confirmedAt === undefined ? undefined : new Date(this.#confirmedAt);
  }

  get isWatching(): boolean {
    return this.#isWatching;
  }

  /** The server agreed to a watch: what was missed since the last version comes at once. */
  opened(now: number): void {
    this.#isWatching = true;
    this.heard(now);
  }

  /** The watch ended or broke. */
  closed(): void {
    this.#isWatching = false;
  }

  /** The resource's own list or watch said how far it has come. */
  heard(now: number): void {
    this.#heardAt = now;
    this.#confirmedAt = now;
  }

  /**
   * The API server lives, as something that it said to anybody shows: while the watch is open, what is
   * held is current. Not for longer than a bookmark may be late, since with several servers behind one
   * address another may have spoken (PF-03).
   */
  vouch(now: number): void {
    if (this.#isWatching && now - this.#heardAt < bookmarkPatience) this.#confirmedAt = now;
  }
}
