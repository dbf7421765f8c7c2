import { type AgentEvent, objectText, type Series, sameness } from "./event.ts";
import { type BucketLimits, TokenBucket } from "./token_bucket.ts";

/** What becomes of an event: told anew, added to what was told, or kept back. */
export type Verdict =
  | { readonly kind: "create" }
  | { readonly kind: "repeat"; readonly series: Series }
  | { readonly kind: "suppress" };

/** As client-go's, per object, but with a refill of 5 s in place of 5 minutes. */
const objectLimits: BucketLimits = { burst: 25, refillMs: 5_000 };
/** Of the whole agent: a full map fails thousands of Services at once. */
const agentLimits: BucketLimits = { burst: 100, refillMs: 1_000 };
/** So long the same is counted rather than told anew. */
const sameForMs = 10 * 60_000;
/** A count is told at most so often. */
const repeatMs = 60_000;

interface Told {
  readonly count: number;
  readonly firstAt: number;
  readonly toldAt: number;
}

/** Keeps events few. Times are milliseconds since 1970. */
export class EventFilter {
  readonly #told = new Map<string, Told>();
  readonly #buckets = new Map<string, TokenBucket>();
  readonly #agent: TokenBucket;
  #sweptAt: number;

  constructor(now: number) {
    this.#agent = new TokenBucket(agentLimits, now);
    this.#sweptAt = now;
  }

  judge(event: AgentEvent, now: number): Verdict {
    this.#sweep(now);
    const key = sameness(event);
    const known = this.#told.get(key);
    const isSame = known !== undefined && now - known.firstAt < sameForMs;
    const count = isSame ? known.count + 1 : 1;
    if (isSame) this.#told.set(key, { ...known, count });
    if (isSame && now - known.toldAt < repeatMs) return { kind: "suppress" };
    if (!this.#mayPass(event, now)) return { kind: "suppress" };
    const firstAt = isSame ? known.firstAt : now;
    this.#told.set(key, { count, firstAt, toldAt: now });
    return isSame ? { kind: "repeat", series: { count, lastAt: now } } : { kind: "create" };
  }

  /** It could not be told after all: the next of its kind is the first. */
  forget(event: AgentEvent): void {
    this.#told.delete(sameness(event));
  }

  #mayPass({ regarding }: AgentEvent, now: number): boolean {
    const object = objectText(regarding);
    const bucket = this.#buckets.get(object) ?? new TokenBucket(objectLimits, now);
    this.#buckets.set(object, bucket);
    return bucket.take(now) && this.#agent.take(now);
  }

  /** What a new filter would judge alike is forgotten. */
  #sweep(now: number): void {
    if (now - this.#sweptAt < repeatMs) return;
    this.#sweptAt = now;
    for (const [key, { firstAt }] of this.#told) {
      if (now - firstAt >= sameForMs) this.#told.delete(key);
    }
    for (const [object, bucket] of this.#buckets) {
      if (bucket.isFull(now)) this.#buckets.delete(object);
    }
  }
}
