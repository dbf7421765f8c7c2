import { portKey } from "../compile/key.ts";
import type { DesiredService } from "../compile/records.ts";
import type { MapError } from "../datapath/map_error.ts";
import type { ServiceMaps } from "../datapath/maps.ts";
import { protocolNumber } from "../datapath/protocol.ts";
import { type Adopted, adoptMaps, type Finding } from "./adopt.ts";
import { scanMaps } from "./audit_scan.ts";
import { discrepancies, type Readopted } from "./discrepancy.ts";
import { mapFull, type ServiceFailure, stillHeld, writeFailed } from "./failure.ts";
import { isLimited, sameValue, type WantedFrontend, wantedFrontends } from "./frontend_value.ts";
import { type FrontendReport, FrontendWriter } from "./frontend_writer.ts";
import { joinWaiting } from "./join_waiting.ts";
import { clearNames, restoreNames, writeNames } from "./name_map.ts";
import { type Retired, Retirement } from "./retirement.ts";
import { type ApplyResult, type Placed, Round } from "./round.ts";
import { ServiceCidrTable } from "./service_cidr_table.ts";
import { ServiceWriter } from "./service_writer.ts";
import { Unfinished } from "./unfinished.ts";
import { type Usage, usageOf } from "./usage.ts";
import { addWrites, noWrites, type Writes } from "./writes.ts";

interface Starved {
  readonly key: string;
  readonly desired: DesiredService;
  readonly map: "services" | "backends" | "slots";
}

export interface ReconcilerSettings {
  /** Slots of a Maglev slice: one of MAGLEV_TABLE_SIZES. */
  readonly maglevTableSize: number;
}

export const defaultReconcilerSettings: ReconcilerSettings = { maglevTableSize: 16_381 };

/** A placement may wait for this many grace periods before a full map is called full. */
const PATIENCE = 2;

/**
 * Makes the service maps hold what is desired. The maps themselves are what it compares with, so
 * it holds little besides which index belongs to whom. New state is complete before it is reachable:
 * backends, slots, slice words, names, source ranges, frontends, guards; what goes, goes in the
 * opposite order, guards excepted (PF-01).
 */
export class Reconciler {
  readonly #maps: ServiceMaps;
  readonly #settings: ReconcilerSettings;
  #adopted: Adopted;
  readonly #retirement: Retirement;
  #services: ServiceWriter;
  #frontends: FrontendWriter;
  #serviceCidrs: ServiceCidrTable;
  readonly #unfinished = new Unfinished();
  #orphans: readonly number[];
  #writes: Writes = noWrites;

  private constructor(maps: ServiceMaps, settings: ReconcilerSettings) {
    this.#maps = maps;
    this.#settings = settings;
    this.#adopted = adoptMaps(maps);
    this.#orphans = this.#adopted.orphans;
    this.#retirement = new Retirement(
      () => maps.gracePeriod(),
      (retired) => this.#reclaim(retired),
    );
    this.#services = this.#serviceWriter();
    this.#frontends = new FrontendWriter(maps, this.#adopted, this.#retirement);
    this.#serviceCidrs = new ServiceCidrTable(maps.serviceCidrs);
  }

  #serviceWriter(): ServiceWriter {
    const { maglevTableSize } = this.#settings;
    return new ServiceWriter(this.#maps, this.#adopted.space, this.#retirement, maglevTableSize);
  }

  /**
   * Takes over what stands in the maps and writes nothing. Waits for one grace period first, since
   * whoever wrote them last may have retired records just before it ended.
   */
  static async adopt(
    maps: ServiceMaps,
    settings: ReconcilerSettings = defaultReconcilerSettings,
  ): Promise<Reconciler> {
    await maps.gracePeriod();
    return new Reconciler(maps, settings);
  }

  /** What was inconsistent in the adopted maps. It is mended as Services are applied and removed. */
  get findings(): readonly Finding[] {
    return this.#adopted.findings;
  }

  /** Entries written since the adoption. */
  get writes(): Writes {
    return this.#writes;
  }

  /** What the kernel does not hold as it should; `retry` tries it again. */
  get failures(): readonly ServiceFailure[] {
    return [...this.#unfinished.failures(), ...this.#serviceCidrs.failures];
  }

  /** Service ports that wait for space that is about to be given back. */
  get waiting(): number {
    return this.#unfinished.waiting;
  }

  /** Frontends of Services; those that refuse are left out. */
  get frontends(): number {
    return this.#adopted.held.size;
  }

  get usage(): Usage {
    return usageOf(this.#maps, this.#adopted, this.#serviceCidrs);
  }

  /** The port keys of one Service ("namespace/name") that stand in the maps or are to be retried. */
  keysOf(service: string): readonly string[] {
    return [...this.#adopted.table.keysOf(service), ...this.#unfinished.keysOf(service)];
  }

  /** Resolves when the grace period that is running has ended and its space is free again. */
  reclaimed(): Promise<void> {
    return this.#retirement.settled();
  }

  /**
   * Makes the maps hold each of these, and none of the removed (by `portKey`). Costs time in
   * proportion to what it is given. Failures are kept for `retry`.
   */
  apply(desired: readonly DesiredService[], removed: Iterable<string> = []): ApplyResult {
    const round = new Round();
    this.#apply(desired, removed, round);
    return this.#end(round);
  }

  /**
   * Makes the maps hold these ranges of ClusterIPs and no others. To come after the Services that
   * are known by then: from now on an address inside that has no frontend is refused (KP-31).
   */
  applyServiceCidrs(wanted: ReadonlySet<string>): ApplyResult {
    const round = new Round();
    this.#serviceCidrs.want(wanted);
    this.#serviceCidrs.write(round);
    return this.#end(round);
  }

  #apply(desired: readonly DesiredService[], removed: Iterable<string>, round: Round): void {
    const works = new Map(desired.map((service) => [portKey(service.id), service]));
    const gone = this.#gone(removed, works);
    const { held, table } = this.#adopted;
    joinWaiting(works, new Set(gone.values()), this.#unfinished.wanted(), held, table);
    const sorted = [...works].sort(([a], [b]) => (a < b ? -1 : 1));
    const starved: Starved[] = [];
    const placed = sorted.flatMap(
      ([key, service]) => this.#place(key, service, round, starved) ?? [],
    );
    this.#writeNames(placed, round);
    this.#writeFrontends(placed, gone, round);
    this.#remove(gone, round);
    this.#retirement.start();
    for (const each of starved) this.#starve(each, round);
  }

  #end(round: Round): ApplyResult {
    const result = round.result();
    this.#writes = addWrites(this.#writes, result.writes);
    return result;
  }

  /** Tries again whatever failed or waits. */
  retry(): ApplyResult {
    const round = new Round();
    this.#apply(this.#desired(), this.#unfinished.removals(), round);
    this.#serviceCidrs.write(round);
    return this.#end(round);
  }

  /**
   * Everything that exists has been applied: removes what stands in the maps and is not wanted (by
   * `portKey`), which nothing does before (PF-02).
   */
  finishFirstSync(wanted: ReadonlySet<string>): ApplyResult {
    const hadOrphans = this.#dropOrphans();
    const unwanted = this.#adopted.table.keys().filter((key) => !wanted.has(key));
    this.#frontends.sweep();
    const result = this.apply(this.#desired(), unwanted);
    this.#frontends.fitNodePorts();
    return { ...result, retiredUdp: result.retiredUdp || hadOrphans };
  }

  /** True: there were some. */
  #dropOrphans(): boolean {
    const orphans = this.#orphans;
    for (const index of orphans) {
      this.#maps.backends.setFlags(index, 0);
      this.#retirement.backend(index);
    }
    this.#orphans = [];
    return orphans.length > 0;
  }

  /** Nothing waits for a grace period, so that `readopt` may be called. */
  get isQuiet(): boolean {
    return this.#retirement.isIdle;
  }

  /** Whether the maps may hold other entries than were written (KP-54); see `scanMaps`. */
  *scan(): Generator<void, boolean> {
    const differs = yield* scanMaps({
      maps: this.#maps,
      adopted: this.#adopted,
      serviceCidrs: this.#serviceCidrs,
      writes: () => this.#writes,
    });
    return differs || this.#adopted.isLeaking;
  }

  /** Whether the Service port stands as desired, or is known not to, and to be retried. */
  stands(desired: DesiredService): boolean {
    const key = portKey(desired.id);
    if (this.#unfinished.get(key) !== undefined) return true;
    const { held, table } = this.#adopted;
    const service = table.index(key);
    if (service === undefined || !this.#services.stands(service, desired)) return false;
    const wanted = wantedFrontends(desired);
    const isHeld = ({ text, kind, flags }: WantedFrontend) => {
      const value = held.value(text);
      return value !== undefined && sameValue(value, { service, kind, flags });
    };
    return held.of(service).length === wanted.length && wanted.every(isHeld);
  }

  /**
   * Believes the maps again, as after a restart, and says in what they differ from what was written.
   * `misplaced`: the `portKey`s of Services that do not stand. To be called when all is quiet, and
   * followed by `mend`; writes only what says whose is what.
   */
  readopt(misplaced: readonly string[]): Readopted {
    const before = { adopted: this.#adopted, serviceCidrs: this.#serviceCidrs };
    const names = restoreNames(this.#maps, this.#adopted.table);
    for (const key of misplaced) {
      const service = this.#adopted.table.index(key);
      if (service !== undefined) this.#services.withdraw(service);
    }
    // What may throw comes first: half a belief would hide what is wrong.
    const after = {
      adopted: adoptMaps(this.#maps),
      serviceCidrs: before.serviceCidrs.readopted(),
    };
    this.#adopted = after.adopted;
    this.#serviceCidrs = after.serviceCidrs;
    this.#orphans = this.#adopted.orphans;
    this.#services = this.#serviceWriter();
    this.#frontends = new FrontendWriter(this.#maps, this.#adopted, this.#retirement);
    const { found, ...rest } = discrepancies(this.#maps, before, after, misplaced);
    return { found: [...names, ...found], ...rest };
  }

  /** As `apply`, with whatever else a readoption has found out of place. */
  mend(desired: readonly DesiredService[], unwanted: Iterable<string>): ApplyResult {
    const round = new Round();
    this.#frontends.sweep();
    this.#apply(desired, unwanted, round);
    this.#frontends.fitNodePorts();
    this.#serviceCidrs.write(round);
    const hadOrphans = this.#dropOrphans();
    this.#retirement.start();
    const result = this.#end(round);
    return { ...result, retiredUdp: result.retiredUdp || hadOrphans };
  }

  #desired(): readonly DesiredService[] {
    return this.#unfinished.wanted().map(([, desired]) => desired);
  }

  /** The indices of what is to be removed, by key; what was only waiting to be placed is forgotten. */
  #gone(
    removed: Iterable<string>,
    works: ReadonlyMap<string, DesiredService>,
  ): ReadonlyMap<string, number> {
    const gone = new Map<string, number>();
    for (const key of removed) {
      if (works.has(key)) continue;
      this.#unfinished.delete(key);
      const index = this.#adopted.table.index(key);
      if (index !== undefined) gone.set(key, index);
    }
    return gone;
  }

  #place(
    key: string,
    desired: DesiredService,
    round: Round,
    starved: Starved[],
  ): Placed | undefined {
    const { table } = this.#adopted;
    const known = table.index(key);
    const service = known ?? table.indices.allocate();
    if (service === undefined) {
      starved.push({ key, desired, map: "services" });
      return undefined;
    }
    if (known === undefined) this.#services.renew(service);
    const placement = this.#services.place(service, desired);
    if (placement.full !== undefined) {
      round.placed(key, placement, desired.id.protocol === "UDP");
      if (known === undefined) table.indices.release(service);
      starved.push({ key, desired, map: placement.full });
      return undefined;
    }
    this.#unfinished.delete(key);
    if (known === undefined) table.add(key, service);
    round.placed(key, placement, desired.id.protocol === "UDP");
    const frontends = wantedFrontends(desired);
    const sourceRanges = frontends.some(isLimited) ? desired.sourceRanges : undefined;
    return { key, desired, service, frontends, sourceRanges };
  }

  /** Waits where space is about to be given back; otherwise, or after long enough, fails (PF-08). */
  #starve({ key, desired, map }: Starved, round: Round): void {
    const { ended, running } = this.#retirement;
    const before = this.#unfinished.get(key);
    const waited = before !== undefined && before.failure === undefined;
    const waitsSince = waited ? before.waitsSince : ended;
    const failure = mapFull(key, map, this.#maps[map].length);
    const patient = before?.failure?.code !== "full" && ended < waitsSince + PATIENCE;
    const waits = running && patient;
    this.#unfinished.set(key, { desired, failure: waits ? undefined : failure, waitsSince });
    if (waits) round.waits();
    else round.failed(failure);
  }

  /**
   * Names come before the frontends, so that a restart knows whose an index is. One that cannot be
   * written keeps nobody from being served: a restart would then give the Service another index.
   */
  #writeNames(placed: readonly Placed[], round: Round): void {
    writeNames(this.#maps, this.#adopted.table, placed, {
      written: ({ key }) => round.written("names", key),
      failed: ({ key, desired }, error) =>
        this.#fail(this.#writeFailure(key, error), desired, round),
    });
  }

  #writeFrontends(
    placed: readonly Placed[],
    gone: ReadonlyMap<string, number>,
    round: Round,
  ): void {
    const { held } = this.#adopted;
    const works = new Map(placed.map(({ key, desired }) => [key, desired]));
    this.#frontends.write(placed, new Set(gone.values()), this.#reportTo(round, works));
    for (const { key, desired, service, frontends } of placed) {
      const texts = frontends.map(({ text }) => text);
      const extra = held.of(service).find((text) => !texts.includes(text));
      if (extra !== undefined) this.#fail(stillHeld(key, extra), desired, round);
    }
  }

  /** Only a service that no frontend leads to is emptied; the others stay whole until `retry`. */
  #remove(gone: ReadonlyMap<string, number>, round: Round): void {
    const { held, table } = this.#adopted;
    const report = this.#reportTo(round, new Map());
    const unreachable = [...gone].filter(([key, service]) => {
      const [frontend] = held.of(service);
      if (frontend !== undefined) this.#fail(stillHeld(key, frontend), undefined, round);
      return frontend === undefined && this.#frontends.forget(service, report);
    });
    const named = unreachable.filter(([, service]) => service < this.#maps.services.length);
    clearNames(this.#maps, table, named, {
      written: ([key, service]) => {
        round.written("names", key);
        this.#clear(key, service, round);
      },
      failed: ([key], error) => this.#fail(this.#writeFailure(key, error), undefined, round),
    });
    for (const [, service] of unreachable) {
      if (service >= this.#maps.services.length) table.remove(service);
    }
  }

  #clear(key: string, service: number, round: Round): void {
    const isUdp = this.#maps.services.protocol(service) === protocolNumber.UDP;
    round.placed(key, this.#services.clear(service), isUdp);
    this.#adopted.table.remove(service);
    this.#retirement.service(service);
  }

  /** What fails is kept with what it should have been. */
  #reportTo(round: Round, works: ReadonlyMap<string, DesiredService>): FrontendReport {
    return {
      written: (map, key) => round.written(map, key),
      failed: (failure) => this.#fail(failure, works.get(failure.key), round),
      waits: () => round.waits(),
    };
  }

  #fail(failure: ServiceFailure, desired: DesiredService | undefined, round: Round): void {
    if (this.#unfinished.get(failure.key) !== undefined) return;
    this.#unfinished.set(failure.key, { desired, failure, waitsSince: 0 });
    round.failed(failure);
  }

  #writeFailure(key: string, error: MapError): ServiceFailure {
    return writeFailed(key, error, this.#maps.frontends.capacity);
  }

  #reclaim({ services, backends, runs, sourceRanges }: Retired): void {
    const { space, table } = this.#adopted;
    for (const index of services) table.indices.release(index);
    for (const index of backends) space.backends.release(index);
    for (const { offset, count } of runs) space.runs.release(offset, count);
    this.#frontends.unread(sourceRanges);
  }
}
