import { Algorithm, ServiceFlag } from "../../bpf/build/layout.ts";
import type { Backend, DesiredService } from "../compile/records.ts";
import type { IndexAllocator } from "../datapath/allocator_index.ts";
import type { RunAllocator } from "../datapath/allocator_run.ts";
import type { ServiceMaps } from "../datapath/maps.ts";
import { protocolNumber } from "../datapath/protocol.ts";
import { packSlice, type Slice } from "../datapath/slice.ts";
import { addressInto, type BackendMatch, backendFlags, matchBackends } from "./backend_match.ts";
import { liveBackends, slicesOf } from "./live_backends.ts";
import type { Retirement } from "./retirement.ts";
import { layOutSlices, type SliceLayout } from "./slice_layout.ts";
import { slotsMatch } from "./slot_match.ts";

/** Where free records and slots come from and where they go. */
export interface EndpointSpace {
  readonly backends: IndexAllocator;
  readonly runs: RunAllocator;
  /** Services whose slices another's overlap: what those hold must not be given back. */
  readonly overlapping: Set<number>;
}

/** What one placement wrote, or the map that has no room for it. */
export interface Placement {
  readonly full: "backends" | "slots" | undefined;
  readonly services: number;
  readonly slots: number;
  readonly backends: number;
  /** Some backend left a slice. */
  readonly narrowed: boolean;
}

interface Words {
  readonly cluster: bigint;
  readonly local: bigint;
}

const UNTOUCHED: Placement = {
  full: undefined,
  services: 0,
  slots: 0,
  backends: 0,
  narrowed: false,
};

const scratch = new Uint8Array(16);

/** Writes services with their slices and backends, all through the live arrays. */
export class ServiceWriter {
  readonly #maps: ServiceMaps;
  readonly #space: EndpointSpace;
  readonly #retirement: Retirement;
  readonly #maglevTableSize: number;

  constructor(
    maps: ServiceMaps,
    space: EndpointSpace,
    retirement: Retirement,
    maglevTableSize: number,
  ) {
    this.#maps = maps;
    this.#space = space;
    this.#retirement = retirement;
    this.#maglevTableSize = maglevTableSize;
  }

  /**
   * Makes the service hold what is desired. Where the slices change, new records and a new run are
   * complete before one store of each slice word publishes them, and what only the old words named
   * is dead right after. Writes nothing that stands already.
   */
  place(service: number, desired: DesiredService): Placement {
    const live = liveBackends(this.#maps, service);
    const match = matchBackends(live, desired.backends);
    const layout = layOutSlices(desired, this.#maglevTableSize);
    const ordered = desired.algorithm === "maglev";
    const same =
      match.sameMembers && slotsMatch(this.#maps, service, layout, match.records, ordered);
    if (!same) return this.#replace(service, desired, match, layout);
    const services = this.#publish(service, this.#words(service), desired) ? 1 : 0;
    return { ...UNTOUCHED, services, backends: this.#settleFlags(match.records, desired.backends) };
  }

  /** Whether `place` would find all of it as desired. */
  stands(service: number, desired: DesiredService): boolean {
    const { backends, services } = this.#maps;
    const match = matchBackends(liveBackends(this.#maps, service), desired.backends);
    const layout = layOutSlices(desired, this.#maglevTableSize);
    const ordered = desired.algorithm === "maglev";
    const isFlagged = (backend: Backend, at: number): boolean =>
      backends.flags(match.records[at] ?? backends.length) === backendFlags(backend);
    return (
      match.sameMembers &&
      slotsMatch(this.#maps, service, layout, match.records, ordered) &&
      services.flags(service) === serviceFlags(desired) &&
      this.#hasSettings(service, desired) &&
      desired.backends.every(isFlagged)
    );
  }

  /**
   * Lets the service refuse until it is placed, where its slices hold another's backends, or slots
   * that nobody was given: they are not its to choose, nor the slots to give back.
   */
  withdraw(service: number): void {
    const { backends, services } = this.#maps;
    const { runs } = this.#space;
    const isGiven = ({ offset, count }: Slice): boolean => runs.isTaken(offset, count);
    const isForeign = (index: number | undefined): boolean =>
      index === undefined || (index < backends.length && backends.flags(index) !== 0);
    const hasForeign = liveBackends(this.#maps, service).strays.some(isForeign);
    if (!hasForeign && slicesOf(this.#maps, service).every(isGiven)) return;
    services.setCluster(service, 0n);
    services.setLocal(service, 0n);
  }

  /** A new owner for a free index: what was remembered of the former one no longer matches. */
  renew(service: number): void {
    const { services } = this.#maps;
    services.setGeneration(service, (services.generation(service) + 1) >>> 0);
  }

  /** Empties the service and retires all that it held. */
  clear(service: number): Placement {
    const { services } = this.#maps;
    const { byEndpoint, surplus } = liveBackends(this.#maps, service);
    const backends = [...Array.from(byEndpoint.values(), ({ index }) => index), ...surplus];
    const runs = slicesOf(this.#maps, service);
    services.setCluster(service, 0n);
    services.setLocal(service, 0n);
    services.setFlags(service, 0);
    this.#retire(service, backends, runs);
    return {
      ...UNTOUCHED,
      services: 1,
      backends: backends.length,
      narrowed: backends.length > 0,
    };
  }

  #replace(
    service: number,
    desired: DesiredService,
    match: BackendMatch,
    layout: SliceLayout,
  ): Placement {
    const { backends, runs } = this.#space;
    if (match.fresh > backends.free) return this.#narrow(service, desired, match);
    const { length: count } = layout.positions;
    const offset = runs.allocate(count);
    if (offset === undefined) return { ...UNTOUCHED, full: "slots" };
    const records = desired.backends.map(
      (backend, at) => match.records[at] ?? this.#create(service, backend),
    );
    const words = this.#fill(offset, layout, records);
    const old = slicesOf(this.#maps, service);
    this.#publish(service, words, desired);
    const settled = this.#settleFlags(match.records, desired.backends);
    this.#retire(service, match.gone, old);
    return {
      full: undefined,
      services: 1,
      slots: count,
      backends: match.fresh + settled + match.gone.length,
      narrowed: match.narrowed,
    };
  }

  /**
   * Without room for new records, at least nothing goes on choosing those that are gone; theirs will
   * be the room. But no slice is emptied for that while it should not be empty.
   */
  #narrow(service: number, desired: DesiredService, match: BackendMatch): Placement {
    const kept = desired.backends.filter((_, at) => match.records[at] !== undefined);
    const narrows =
      match.gone.length > 0 &&
      kept.some(isInCluster) === desired.backends.some(isInCluster) &&
      kept.some(isInLocal) === desired.backends.some(isInLocal);
    const placement = narrows ? this.place(service, { ...desired, backends: kept }) : UNTOUCHED;
    return { ...placement, full: "backends" };
  }

  /** A complete record in a free index; the flags, which make it live, come last. */
  #create(service: number, backend: Backend): number {
    const { backends } = this.#maps;
    const index = this.#space.backends.allocate();
    if (index === undefined) throw new RangeError("no free backend, although one was counted");
    backends.setGeneration(index, (backends.generation(index) + 1) >>> 0);
    backends.setService(index, service);
    backends.setAddress(index, addressInto(backend.address, scratch));
    backends.setPort(index, backend.port);
    backends.setFlags(index, backendFlags(backend));
    return index;
  }

  #fill(offset: number, layout: SliceLayout, records: readonly number[]): Words {
    const { slots } = this.#maps;
    const { positions, cluster, local } = layout;
    for (let at = 0; at < positions.length; at++) {
      slots[offset + at] = records[positions[at] ?? 0] ?? 0;
    }
    return { cluster: wordOf(offset, cluster), local: wordOf(offset, local) };
  }

  #words(service: number): Words {
    const { services } = this.#maps;
    return { cluster: services.cluster(service), local: services.local(service) };
  }

  /**
   * Stores what differs. A slice that becomes empty is published after the flags, since until they
   * are stored it may be the one that the programs choose from. True: something was stored.
   */
  #publish(service: number, words: Words, desired: DesiredService): boolean {
    const { services } = this.#maps;
    const before = this.#words(service);
    const settled = this.#settleSettings(service, desired);
    const { cluster, local } = words;
    if (cluster !== before.cluster && cluster !== 0n) services.setCluster(service, cluster);
    if (local !== before.local && local !== 0n) services.setLocal(service, local);
    const flags = serviceFlags(desired);
    const flagged = flags !== services.flags(service);
    if (flagged) services.setFlags(service, flags);
    if (cluster !== before.cluster && cluster === 0n) services.setCluster(service, cluster);
    if (local !== before.local && local === 0n) services.setLocal(service, local);
    return settled || flagged || cluster !== before.cluster || local !== before.local;
  }

  /** How a slice is read may change before or after the slice: either reads the other's. */
  #settleSettings(service: number, desired: DesiredService): boolean {
    const { services } = this.#maps;
    if (this.#hasSettings(service, desired)) return false;
    services.setAffinitySeconds(service, desired.affinityTimeoutSeconds);
    services.setProtocol(service, protocolNumber[desired.id.protocol]);
    services.setAlgorithm(service, algorithmOf(desired));
    return true;
  }

  #hasSettings(service: number, desired: DesiredService): boolean {
    const { services } = this.#maps;
    return (
      services.affinitySeconds(service) === desired.affinityTimeoutSeconds &&
      services.protocol(service) === protocolNumber[desired.id.protocol] &&
      services.algorithm(service) === algorithmOf(desired)
    );
  }

  /** Brings the flags of records that stay up to date, and says how many differed. */
  #settleFlags(records: readonly (number | undefined)[], desired: readonly Backend[]): number {
    const { backends } = this.#maps;
    let written = 0;
    for (const [at, backend] of desired.entries()) {
      const index = records[at];
      const flags = backendFlags(backend);
      if (index === undefined || backends.flags(index) === flags) continue;
      backends.setFlags(index, flags);
      written++;
    }
    return written;
  }

  #retire(service: number, backends: readonly number[], runs: readonly Slice[]): void {
    for (const index of backends) {
      this.#maps.backends.setFlags(index, 0);
      this.#retirement.backend(index);
    }
    if (this.#space.overlapping.delete(service)) return;
    for (const run of runs) this.#retirement.run(run);
  }
}

const isInCluster = ({ inCluster }: Backend): boolean => inCluster;

const isInLocal = ({ inLocal }: Backend): boolean => inLocal;

const wordOf = (start: number, { offset, count }: Slice): bigint =>
  count === 0 ? 0n : packSlice({ offset: start + offset, count });

const algorithmOf = ({ algorithm }: DesiredService): number =>
  algorithm === "maglev" ? Algorithm.MAGLEV : Algorithm.RANDOM;

const serviceFlags = ({ internalLocal, externalLocal }: DesiredService): number =>
  ServiceFlag.IN_USE |
  (internalLocal ? ServiceFlag.INTERNAL_LOCAL : 0) |
  (externalLocal ? ServiceFlag.EXTERNAL_LOCAL : 0);
