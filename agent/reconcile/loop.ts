import { type CompileResult, type CompileSettings, compileService } from "../compile/compile.ts";
import { portKey } from "../compile/key.ts";
import type { LeftToNode } from "../compile/left_to_node.ts";
import type { LocalGap } from "../compile/local_gap.ts";
import type { CompileProblem } from "../compile/problem.ts";
import type { DesiredHealthCheck, DesiredService } from "../compile/records.ts";
import { refusedRanges } from "../compile/service_cidr.ts";
import type { SourceEvent } from "../model/event.ts";
import { canonicalAddress } from "../model/ip.ts";
import { Store } from "../model/store.ts";
import { Backoff, type BackoffLimits } from "./backoff.ts";
import { DirtyQueue, type DirtyService } from "./dirty_queue.ts";
import { type Discrepancy, serviceOfKey } from "./discrepancy.ts";
import { FailureLog, type StandingFailure } from "./failure_log.ts";
import { Noted } from "./noted.ts";
import type { Reconciler } from "./reconciler.ts";
import type { ApplyResult } from "./round.ts";
import type { Scheduler } from "./scheduler.ts";

export interface LoopSettings extends CompileSettings {
  readonly nodeName: string;
  /** Services compiled and applied before other work of the process gets its turn. */
  readonly batch: number;
  /** How long the first sync waits for the Node, whose zone decides about endpoints (KP-05). */
  readonly nodePatienceMilliseconds: number;
  readonly backoff: BackoffLimits;
}

export const defaultLoopSettings = {
  families: new Set(["IPv4", "IPv6"] as const),
  batch: 1000,
  nodePatienceMilliseconds: 5_000,
  backoff: { firstMilliseconds: 100, capMilliseconds: 5_000 },
} as const satisfies Omit<LoopSettings, "nodeName">;

/** What one flush or retry did. */
export interface LoopReport extends ApplyResult {
  /** For each changed Service, from the event that told of it to its publication. */
  readonly latenciesMicroseconds: readonly number[];
  /** Nothing is left to be published. */
  readonly caughtUp: boolean;
  /** What `status` says of failures and problems is other than before. */
  readonly problemsChanged: boolean;
  /** What `healthChecks` gives is other than before. */
  readonly healthChecksChanged: boolean;
}

export interface LoopStatus {
  /** All that existed at the start has been published, and what nobody wants is gone. */
  readonly ready: boolean;
  /** When nothing was left to be published. Milliseconds since 1970. */
  readonly lastPublishedAt: number | undefined;
  /** Since when the longest waiting change waits; undefined: none does (KP-41). */
  readonly oldestQueuedAt: number | undefined;
  readonly queued: number;
  readonly failures: readonly StandingFailure[];
  /** What could not be compiled as it was asked for. */
  readonly problems: readonly CompileProblem[];
}

/** Services ("namespace/name") that may not choose from what they should; maybe more is wrong. */
export interface Suspects {
  readonly services: ReadonlySet<string>;
}

/**
 * Brings what a source tells into the maps, level-triggered: an event only marks its Service, and a
 * flush programs the Service as it stands by then.
 */
export class Loop {
  readonly store: Store;
  readonly #reconciler: Reconciler;
  readonly #scheduler: Scheduler;
  #settings: LoopSettings;
  readonly #dirty = new DirtyQueue();
  readonly #failures = new FailureLog();
  readonly #backoff: Backoff;
  readonly #problems = new Noted(sameProblems);
  readonly #healthChecks = new Noted(sameCheck);
  readonly #localGaps = new Map<string, readonly LocalGap[]>();
  readonly #leftToNode = new Map<string, readonly LeftToNode[]>();
  readonly #listeners = new Set<(report: LoopReport) => void>();
  /** Port keys seen in the first sync; undefined: it is over. */
  #wanted: Set<string> | undefined = new Set();
  #stopPatience: (() => void) | undefined;
  #patient = true;
  /** What the maps hold of ServiceCIDRs is out of date. */
  #serviceCidrsChanged = false;
  #planned = false;
  #held = false;
  #stopped = false;
  #lastPublishedAt: number | undefined;

  constructor(reconciler: Reconciler, scheduler: Scheduler, settings: LoopSettings) {
    this.store = new Store(settings.nodeName);
    this.#reconciler = reconciler;
    this.#scheduler = scheduler;
    this.#settings = settings;
    this.#backoff = new Backoff(scheduler, settings.backoff, () => this.#retry());
  }

  /** Called after each flush and retry. Returns what ends it. */
  subscribe(listener: (report: LoopReport) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes a batch of events; what they change is published soon after (see `Scheduler`). */
  handle(events: readonly SourceEvent[]): void {
    const now = this.#scheduler.now();
    const { services, everything, serviceCidrs } = this.store.apply(events);
    for (const service of services) this.#dirty.add(service, now);
    if (serviceCidrs) this.#serviceCidrsChanged = true;
    if (everything) for (const [service] of this.store.services()) this.#dirty.add(service, now);
    this.#plan();
  }

  /** What `CompileSettings` says of it. The Services whose ClusterIPs came or went follow (PF-45). */
  setBoundAddresses(bound: ReadonlyMap<string, string>): void {
    const before = this.#settings.boundAddresses ?? new Map<string, string>();
    const changed = new Set(
      [...before.keys(), ...bound.keys()].filter((it) => before.get(it) !== bound.get(it)),
    );
    this.#settings = { ...this.#settings, boundAddresses: bound };
    if (changed.size === 0) return;
    const now = this.#scheduler.now();
    for (const [key, { clusterIPs }] of this.store.services()) {
      if (clusterIPs.some((it) => changed.has(canonicalAddress(it) ?? it)))
        this.#dirty.add(key, now);
    }
    this.#plan();
  }

  /** What was not published yet stays undone; the maps keep what they hold. */
  stop(): void {
    this.#stopped = true;
    this.#stopPatience?.();
    this.#backoff.reset();
  }

  /** What each healthCheckNodePort should answer, of all Services that have been compiled (KP-40). */
  get healthChecks(): readonly DesiredHealthCheck[] {
    return this.#healthChecks.values();
  }

  /** Service ports that a Local policy leaves without an endpoint on this node (KP-14, KP-60). */
  get localGaps(): readonly LocalGap[] {
    return [...this.#localGaps.values()].flat();
  }

  /** By Service ("namespace/name"), the ClusterIPs that are not served since this node has them. */
  get leftToNode(): ReadonlyMap<string, readonly LeftToNode[]> {
    return this.#leftToNode;
  }

  status(): LoopStatus {
    return {
      ready: this.#wanted === undefined,
      lastPublishedAt: this.#lastPublishedAt,
      oldestQueuedAt: this.#dirty.oldest,
      queued: this.#dirty.size,
      failures: this.#failures.list(),
      problems: this.#problems.values().flat(),
    };
  }

  /**
   * Looks whether the maps hold what was written (KP-54): first at what each Service chooses from,
   * then at the maps as they are. Yields between steps of well below a millisecond, in between which
   * anything may change; gives what `mend` should look at, or undefined where all is well.
   */
  *audit(): Generator<void, Suspects | undefined> {
    const services = new Set<string>();
    for (const [key] of this.store.services()) {
      if (this.#misplaced(key).length > 0) services.add(key);
      yield;
    }
    const differs = yield* this.#reconciler.scan();
    return differs || services.size > 0 ? { services } : undefined;
  }

  /** While it is held, changes wait, and nothing more is retired: `isQuiet` comes to be true. */
  hold(isHeld: boolean): void {
    this.#held = isHeld;
    this.#plan();
  }

  /** Whether `mend` may be called: nothing that was retired waits for its grace period. */
  get isQuiet(): boolean {
    return this.status().ready && this.#reconciler.isQuiet;
  }

  /** Mends what is not as it was written, and says what that was. */
  mend({ services }: Suspects): readonly Discrepancy[] {
    const misplaced = [...services].flatMap((key) => this.#misplaced(key));
    const { found, affected, unwanted } = this.#reconciler.readopt(misplaced);
    const keys = new Set([...affected].flatMap((key) => serviceOfKey(key) ?? []));
    const desired = [...keys].flatMap((key) => this.#compile(key));
    this.#settle(this.#reconciler.mend(desired, unwanted), [], false);
    return found;
  }

  /** Service ports of a Service that do not stand as they should; none where it is yet to be programmed. */
  #misplaced(key: string): readonly string[] {
    if (this.#dirty.has(key)) return [];
    const { services } = this.#compiled(key) ?? { services: [] };
    return services.filter((it) => !this.#reconciler.stands(it)).map(({ id }) => portKey(id));
  }

  #plan(): void {
    if (this.#planned || this.#held || !this.#mayBegin()) return;
    if (this.#dirty.size === 0 && this.#wanted === undefined && !this.#mayFollowCidrs) return;
    this.#planned = true;
    this.#scheduler.soon(() => {
      this.#planned = false;
      if (!this.#stopped && !this.#held) this.#flush();
    });
  }

  /** Services and EndpointSlices were listed, and the Node too or for long enough (KP-04, KP-05). */
  #mayBegin(): boolean {
    if (!this.store.ready) return false;
    if (!this.#patient || this.store.synced.has("nodes")) return true;
    this.#stopPatience ??= this.#scheduler.after(this.#settings.nodePatienceMilliseconds, () => {
      this.#patient = false;
      this.#plan();
    });
    return false;
  }

  #flush(): void {
    const batch = this.#dirty.take(this.#settings.batch);
    const desired = batch.flatMap(({ service }) => this.#compile(service));
    const wanted = new Set(desired.map(({ id }) => portKey(id)));
    const removed = batch
      .flatMap(({ service }) => this.#reconciler.keysOf(service))
      .filter((key) => !wanted.has(key));
    if (this.#wanted !== undefined) {
      for (const key of removed) this.#wanted.delete(key);
      for (const key of wanted) this.#wanted.add(key);
    }
    // Until the first sync is over nothing is taken away (PF-02).
    this.#settle(this.#reconciler.apply(desired, this.#wanted ? [] : removed), batch, false);
    if (this.#wanted !== undefined && this.#dirty.size === 0) this.#finishFirstSync(this.#wanted);
    if (this.#mayFollowCidrs) this.#followServiceCidrs();
    this.#plan();
  }

  #finishFirstSync(wanted: ReadonlySet<string>): void {
    this.#wanted = undefined;
    this.#stopPatience?.();
    this.#settle(this.#reconciler.finishFirstSync(wanted), [], false);
  }

  /** All were listed, and every Service known so far has its frontends (KP-31, PF-02). */
  get #mayFollowCidrs(): boolean {
    const isPublished = this.#dirty.size === 0 && this.#wanted === undefined;
    const { synced } = this.store;
    const isListed = synced.has("servicecidrs") && synced.has("foreignservices");
    return this.#serviceCidrsChanged && isPublished && isListed;
  }

  #followServiceCidrs(): void {
    this.#serviceCidrsChanged = false;
    const ranges = refusedRanges(this.store.serviceCidrs(), this.store.foreignAddresses());
    this.#settle(this.#reconciler.applyServiceCidrs(ranges), [], false);
  }

  #retry(): void {
    if (!this.#stopped) this.#settle(this.#reconciler.retry(), [], true);
  }

  #settle(result: ApplyResult, batch: readonly DirtyService[], retried: boolean): void {
    const now = this.#scheduler.now();
    const { failures } = this.#reconciler;
    const failuresChanged = this.#failures.update(failures, now, retried);
    const isFresh = !retried && result.failures.some(({ code }) => code === "write");
    if (failures.length === 0 || isFresh) this.#backoff.reset();
    if (failures.length > 0) this.#backoff.plan();
    if (result.waiting > 0) {
      const retry = () => this.#scheduler.soon(() => this.#retry());
      void this.#reconciler.reclaimed().then(retry);
    }
    const caughtUp = this.#dirty.size === 0 && result.waiting === 0;
    if (caughtUp) this.#lastPublishedAt = now;
    const latenciesMicroseconds = batch.map(({ since }) => (now - since) * 1000);
    const report = {
      ...result,
      latenciesMicroseconds,
      caughtUp,
      problemsChanged: this.#problems.takeChanged() || failuresChanged,
      healthChecksChanged: this.#healthChecks.takeChanged(),
    };
    for (const listener of this.#listeners) listener(report);
  }

  #compile(key: string): readonly DesiredService[] {
    const compiled = this.#compiled(key);
    this.#problems.note(key, compiled?.problems.length ? compiled.problems : undefined);
    this.#healthChecks.note(key, compiled?.healthCheck);
    if (compiled?.localGaps.length) this.#localGaps.set(key, compiled.localGaps);
    else this.#localGaps.delete(key);
    if (compiled?.leftToNode.length) this.#leftToNode.set(key, compiled.leftToNode);
    else this.#leftToNode.delete(key);
    return compiled?.services ?? [];
  }

  #compiled(key: string): CompileResult | undefined {
    const service = this.store.service(key);
    const node = { name: this.#settings.nodeName, zone: this.store.node?.zone };
    return service && compileService(service, this.store.slicesOf(key), node, this.#settings);
  }
}

function sameProblems(a: readonly CompileProblem[], b: readonly CompileProblem[]): boolean {
  const stands = ({ target, message }: CompileProblem, at: number) =>
    b[at]?.target === target && b[at]?.message === message;
  return a.length === b.length && a.every(stands);
}

const sameCheck = (a: DesiredHealthCheck, b: DesiredHealthCheck): boolean =>
  a.port === b.port &&
  a.localEndpoints.IPv4 === b.localEndpoints.IPv4 &&
  a.localEndpoints.IPv6 === b.localEndpoints.IPv6;
