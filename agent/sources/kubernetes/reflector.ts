import type { SourceEvent } from "../../model/event.ts";
import { objectKey } from "../../model/key.ts";
import { type Clock, delay } from "../clock.ts";
import { pathText } from "../parse/fault.ts";
import { fieldsOf, textOf } from "../parse/fields.ts";
import type { Problems } from "../problems.ts";
import type { ResourceStatus } from "../source.ts";
import { Backoff } from "./backoff.ts";
import type { ApiClient } from "./client.ts";
import { failureOf, isGone, isVersionDoubtful, isWithheld, RequestFailure } from "./failure.ts";
import type { WatchedResource } from "./resource.ts";

/** So many watches in a row from one version that said nothing: the version itself is in doubt. */
const fruitlessAtMost = 3;
/** A watch that ends sooner, and said nothing, has failed. */
const shortestWatchMilliseconds = 1000;

export interface ReflectorOptions {
  readonly watched: WatchedResource;
  readonly client: ApiClient;
  readonly clock: Clock;
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly problems: Problems;
  readonly sink: (events: readonly SourceEvent[]) => void;
  /**
   * Told of each failed request, before the wait that follows it; of a resource that may be withheld
   * only once each time.
   */
  readonly failed: (failure: RequestFailure, message: string) => void;
}

/**
 * Lists one resource and watches it from there, for ever. A broken watch goes on from the last
 * version seen; where that is forgotten, the new list is compared with what was said before, so
 * that nothing that vanished meanwhile stays (PF-03). Holds keys and versions, no objects.
 */
export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #backoff: Backoff;
  /** Resource version by key, of every object that was said to exist. */
  readonly #held = new Map<string, string>();
  /** Keys of objects with something wrong, held or not. */
  readonly #faulty = new Set<string>();
  /** Undefined: a list is needed. */
  #version: string | undefined;
  #isSynced = false;
  #lists = 0;
  #fruitless = 0;
  #lastEventAt: Date | undefined;
  /** The server has agreed to a watch, which has not ended. */
  #isWatching = false;
  #confirmedAt: number | undefined;
  /** Until it is given: that the API server is away says nothing else of it. */
  #isWithheld = false;
  /** Ends the wait after a failure, unless it was the API server that asked for it. */
  #pause: AbortController | undefined;
  #error: string | undefined;

  constructor(options: ReflectorOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.random);
  }

  status(): ResourceStatus {
    return {
      resource: this.#options.watched.resource,
      synced: this.#isSynced,
      objects: this.#held.size,
      lists: this.#lists,
      lastEventAt: this.#lastEventAt,
      confirmedAt: this.#confirmedAt === undefined ? undefined : new Date(this.#confirmedAt),
      withheld: this.#isWithheld,
      error: this.#error,
    };
  }

  /**
   * The API server lives, as something that it said to anybody shows: while the watch is open, what is
   * held is current. In milliseconds since 1970.
   */
  vouch(now: number): void {
    if (this.#isWatching) this.#confirmedAt = now;
  }

  /** The API server is there again: what waits after a failure tries at once. */
  retrySoon(): void {
    this.#backoff.reset();
    this.#pause?.abort();
  }

  /** Returns when the signal fires. Rejects only for a fault of this program. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#version === undefined) await this.#list();
        else await this.#watch(this.#version);
      } catch (cause) {
        if (signal.aborted) return;
        if (!(cause instanceof RequestFailure)) throw cause;
        await this.#recover(cause, signal);
      }
    }
  }

  async #recover(failure: RequestFailure, signal: AbortSignal): Promise<void> {
    if (isVersionDoubtful(failure)) this.#fruitless++;
    if (isGone(failure) || this.#fruitless >= fruitlessAtMost) this.#version = undefined;
    const { without } = this.#options.watched;
    const isExpected = without !== undefined && isWithheld(failure);
    const message = isExpected ? `${failure.message}; ${without}` : failure.message;
    if (!isExpected || this.#error !== message) this.#options.failed(failure, message);
    this.#error = message;
    this.#isWithheld ||= isExpected;
    await this.#wait(failure.retryAfterMilliseconds, signal);
  }

  async #wait(leastMilliseconds: number, signal: AbortSignal): Promise<void> {
    const wait = Math.max(this.#backoff.nextMilliseconds(), leastMilliseconds);
    const pause = new AbortController();
    if (leastMilliseconds === 0) this.#pause = pause;
    await delay(this.#options.clock, wait, AbortSignal.any([signal, pause.signal]));
    this.#pause = undefined;
  }

  async #list(): Promise<void> {
    const { client, watched } = this.#options;
    const seen = new Set<string>();
    let version: string | undefined;
    const events: SourceEvent[] = [];
    try {
      for await (const part of client.list(`list ${watched.resource}`, watched.path)) {
        if (part.kind === "items") {
          for (const raw of part.items) seen.add(this.#upsert(raw, events));
        } else {
          version ??= part.resourceVersion;
          this.#deliver(events.splice(0));
        }
      }
    } finally {
      // They are held, so no later list would say them: a page that breaks off has said them, too.
      this.#deliver(events);
    }
    this.#deliver(this.#vanished(seen));
    this.#lists++;
    this.#version = version;
    this.#progress();
    if (!this.#isSynced) this.#deliver([{ kind: "synced", resource: watched.resource }]);
    this.#isSynced = true;
  }

  #vanished(seen: ReadonlySet<string>): SourceEvent[] {
    const events: SourceEvent[] = [];
    for (const key of [...this.#held.keys(), ...this.#faulty]) {
      if (!seen.has(key)) this.#delete(key, events);
    }
    return events;
  }

  async #watch(from: string): Promise<void> {
    const { client, clock, random, watched } = this.#options;
    const startedAt = clock.now();
    const timeoutSeconds = 300 + Math.floor(random() * 300);
    const operation = `watch ${watched.resource}`;
    try {
      for await (const events of client.watch(operation, watched.path, from, timeoutSeconds)) {
        if (!this.#isWatching) this.#opened();
        this.#take(operation, events);
      }
    } finally {
      this.#isWatching = false;
    }
    const isShort = clock.now() - startedAt < shortestWatchMilliseconds;
    if (isShort && this.#version === from) {
      throw new RequestFailure("refused", operation, "the API server", "the watch ended at once");
    }
  }

  /** What was missed since the last version comes at once. */
  #opened(): void {
    this.#isWatching = true;
    this.vouch(this.#options.clock.now());
    this.#error = undefined;
    this.#isWithheld = false;
  }

  /** What came before an error is delivered before it counts. */
  #take(operation: string, watchEvents: readonly unknown[]): void {
    const events: SourceEvent[] = [];
    try {
      for (const event of watchEvents) this.#takeOne(operation, event, events);
    } finally {
      this.#deliver(events);
    }
  }

  #takeOne(operation: string, event: unknown, events: SourceEvent[]): void {
    const { type, object } = fieldsOf(event);
    switch (type) {
      case "ADDED":
      case "MODIFIED":
        this.#upsert(object, events);
        break;
      case "DELETED":
        this.#delete(keyOf(object), events);
        break;
      case "ERROR":
        throw failureOf(operation, "the API server", codeOf(object), object, retryAfterOf(object));
    }
    // A bookmark has nothing but its version.
    const version = versionOf(object);
    if (version === undefined) return;
    this.#version = version;
    this.#progress();
  }

  #progress(): void {
    this.#confirmedAt = this.#options.clock.now();
    this.#backoff.reset();
    this.#fruitless = 0;
    this.#error = undefined;
    this.#isWithheld = false;
  }

  /** Returns the object's key. One whose version is held is unchanged: it says nothing. */
  #upsert(raw: unknown, events: SourceEvent[]): string {
    const key = keyOf(raw);
    const version = versionOf(raw) ?? "";
    if (this.#held.get(key) === version) return key;
    const parsed = this.#options.watched.parse(raw);
    this.#report(key, parsed.faults);
    if (parsed.kind === "skipped") this.#delete(key, events);
    if (parsed.kind !== "object") return key;
    this.#held.set(key, version);
    events.push(parsed.object);
    return key;
  }

  #delete(key: string, events: SourceEvent[]): void {
    this.#report(key, []);
    if (!this.#held.delete(key)) return;
    events.push(this.#options.watched.deletion(key));
  }

  /** Warnings are for those who write objects by hand: the API server has accepted this one. */
  #report(key: string, faults: ReturnType<WatchedResource["parse"]>["faults"]): void {
    const target = `${this.#options.watched.resource} ${key.replace(/^\//, "")}`;
    const errors = faults.filter(({ severity }) => severity === "error");
    const problems = errors.map(({ path, message }) => ({
      target,
      message: `${pathText(path)} ${message}`,
    }));
    if (problems.length > 0) this.#faulty.add(key);
    else this.#faulty.delete(key);
    this.#options.problems.set(target, problems);
  }

  #deliver(events: readonly SourceEvent[]): void {
    if (events.length === 0) return;
    this.#lastEventAt = new Date(this.#options.clock.now());
    this.#options.sink(events);
  }
}

function keyOf(raw: unknown): string {
  const { namespace, name } = fieldsOf(fieldsOf(raw).metadata);
  return objectKey(textOf(namespace) ?? "", textOf(name) ?? "");
}

const versionOf = (raw: unknown): string | undefined =>
  textOf(fieldsOf(fieldsOf(raw).metadata).resourceVersion);

function codeOf(status: unknown): number {
  const { code } = fieldsOf(status);
  return typeof code === "number" ? code : 500;
}

function retryAfterOf(status: unknown): string | undefined {
  const { retryAfterSeconds } = fieldsOf(fieldsOf(status).details);
  return typeof retryAfterSeconds === "number" ? String(retryAfterSeconds) : undefined;
}
