import type { Success } from "../harness/load.ts";
import type { Replacement } from "./churn.ts";
import type { Reading } from "./published_slices.ts";

/** A replacement that was seen in the maps. Nanoseconds of CLOCK_MONOTONIC. */
interface Seen {
  readonly index: number;
  /** It, or a later one, was published before. */
  readonly at: number;
}

/** A connect to a backend that had been published as gone when the attempt began. */
export interface Stale {
  readonly backend: string;
  readonly at: number;
  /** Since when it was known to be gone from the maps. */
  readonly goneForNs: number;
}

/** Which replacement stood in the maps when. Readings come in order. */
export class Timeline {
  readonly #replacements: readonly Replacement[];
  readonly #seen: Seen[] = [];

  constructor(replacements: readonly Replacement[]) {
    this.#replacements = replacements;
  }

  /** Number of different replacements that were seen. */
  get length(): number {
    return this.#seen.length;
  }

  /** The first replacement from the last one on that has these endpoints; others are passed over. */
  note({ endpoints, at }: Reading): void {
    const wanted = endpoints.toSorted().join();
    for (let index = this.#last; index < this.#replacements.length; index++) {
      if (endpointsOf(this.#replacements[index] as Replacement) !== wanted) continue;
      if (index !== this.#seen.at(-1)?.index) this.#seen.push({ index, at });
      return;
    }
  }

  get #last(): number {
    return this.#seen.at(-1)?.index ?? 0;
  }

  /** From the API server's answer until it was seen in the maps; coalesced ones count as well. */
  latenciesNs(): readonly number[] {
    const latencies: number[] = [];
    let next = 0;
    for (const { index, at } of this.#seen) {
      for (; next <= index; next++) {
        latencies.push(at - (this.#replacements[next]?.answeredAt ?? at));
      }
    }
    return latencies;
  }

  /**
   * The connects to what had been gone. An attempt may reach any backend of the replacement that
   * was last seen in the maps when it began, and of every later one that had been sent to the API
   * server by the time when it was connected.
   */
  stale(successes: readonly Success[]): readonly Stale[] {
    return successes.flatMap((success) => this.#judge(success) ?? []);
  }

  #judge(success: Success): Stale | undefined {
    const { at, backend } = success;
    const from = this.#seen.findLast((seen) => seen.at <= at);
    if (from === undefined || this.#isOfOneFrom(from.index, success)) return undefined;
    return { backend, at, goneForNs: at - this.#goneAt(backend, from.index) };
  }

  /** Whether this replacement has the backend, or a later one that was sent before it was reached. */
  #isOfOneFrom(first: number, { at, latencyNs, backend }: Success): boolean {
    for (let index = first; index < this.#replacements.length; index++) {
      const { servers, sentAt } = this.#replacements[index] as Replacement;
      if (index > first && sentAt > at + latencyNs) return false;
      if (servers.some(({ name }) => name === backend)) return true;
    }
    return false;
  }

  /** When the first replacement was seen that followed the backend's last turn. */
  #goneAt(backend: string, before: number): number {
    const last = this.#replacements.findLastIndex(
      ({ servers }, index) => index < before && servers.some(({ name }) => name === backend),
    );
    return this.#seen.find(({ index }) => index > last)?.at ?? 0;
  }

  /**
   * For each connect to a backend whose removal the API server had confirmed: for how long. These
   * are the connects that the publishing latency explains.
   */
  confirmedGoneNs(successes: readonly Success[]): readonly number[] {
    const ages: number[] = [];
    for (const success of successes) {
      const { at, backend } = success;
      const confirmed = this.#replacements.findLastIndex(({ answeredAt }) => answeredAt <= at);
      if (confirmed < 0 || this.#isOfOneFrom(confirmed, success)) continue;
      const last = this.#replacements.findLastIndex(
        ({ servers }, index) => index < confirmed && servers.some(({ name }) => name === backend),
      );
      ages.push(at - (this.#replacements[last + 1]?.answeredAt ?? at));
    }
    return ages;
  }
}

const endpointsOf = ({ servers, port }: Replacement): string =>
  servers
    .map(({ address }) => `${address}:${port}`)
    .toSorted()
    .join();
