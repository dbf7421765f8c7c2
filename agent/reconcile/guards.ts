import {
  type Frontend,
  type FrontendKey,
  FrontendKind,
  FrontendScope,
} from "../../bpf/build/layout.ts";
import type { MapError } from "../datapath/map_error.ts";
import type { FrontendMap } from "../datapath/maps.ts";
import { addressText } from "../model/ip.ts";
import { addressInto } from "./backend_match.ts";
import { writeBatches } from "./batch.ts";
import { addressOfText } from "./frontend_text.ts";
import { sameValue } from "./frontend_value.ts";

export interface GuardReport {
  written(): void;
  /** The key names the guard, which belongs to no single Service. */
  failed(key: string, error: MapError): void;
}

const NO_SERVICE = 0xffff_ffff;

/**
 * The entries of the map `frontends` by which an address of ours refuses the ports that it has no
 * frontend at (KP-31, PF-30). One stands from when the first frontend of its address does until the
 * last one is gone: what refuses never comes before what answers, and never goes before it.
 */
export class Guards {
  readonly #map: FrontendMap;
  /** Frontends at each address. */
  readonly #frontends = new Map<string, number>();
  readonly #standing = new Set<string>();
  readonly #unsettled = new Set<string>();

  constructor(map: FrontendMap) {
    this.#map = map;
  }

  /** Entries that they take in the map. */
  get size(): number {
    return this.#standing.size;
  }

  /** One was found; to be told before the frontends are. Another's value is to be written over. */
  adopt(key: FrontendKey, value: Frontend): void {
    const address = addressText(key.address, 0);
    if (isRefusal(value)) this.#standing.add(address);
    else this.#unsettled.add(address);
  }

  /** Whether an entry of the map is one of these as it was written. */
  holds(key: FrontendKey, value: Frontend): boolean {
    return isRefusal(value) && this.#standing.has(addressText(key.address, 0));
  }

  /** Addresses whose guard stands. */
  standing(): ReadonlySet<string> {
    return this.#standing;
  }

  /** A frontend was found, or written. */
  gained(frontend: string): void {
    this.#count(frontend, 1);
  }

  /** A frontend is gone from the map. */
  lost(frontend: string): void {
    this.#count(frontend, -1);
  }

  /** Those that were found at addresses without a frontend are to go. */
  sweep(): void {
    for (const address of this.#standing) {
      if (!this.#frontends.has(address)) this.#unsettled.add(address);
    }
  }

  /** Writes and removes what the frontends in the map ask for by now, and what failed before. */
  settle(report: GuardReport): void {
    const failed = (address: string, error: MapError) =>
      report.failed(`unserved ports of ${address}`, error);
    writeBatches(
      [...this.#unsettled].filter((address) => this.#frontends.has(address)),
      (batch) => this.#map.update(batch.map((address) => [keyOf(address), refusal])),
      (address) => {
        this.#standing.add(address);
        this.#unsettled.delete(address);
        report.written();
      },
      failed,
    );
    writeBatches(
      [...this.#unsettled].filter((address) => !this.#frontends.has(address)),
      (batch) => this.#map.delete(batch.map(keyOf)),
      (address) => {
        this.#standing.delete(address);
        this.#unsettled.delete(address);
        report.written();
      },
      failed,
    );
  }

  #count(frontend: string, change: number): void {
    const address = addressOfText(frontend);
    if (address === undefined) return;
    const count = (this.#frontends.get(address) ?? 0) + change;
    if (count > 0) this.#frontends.set(address, count);
    else this.#frontends.delete(address);
    if (count > 0 === this.#standing.has(address)) this.#unsettled.delete(address);
    else this.#unsettled.add(address);
  }
}

export const isGuard = ({ scope, port, protocol }: FrontendKey): boolean =>
  scope === FrontendScope.SCOPE_ANY_PORT && port === 0 && protocol === 0;

const keyOf = (address: string): FrontendKey => ({
  address: addressInto(address, new Uint8Array(16)),
  port: 0,
  protocol: 0,
  scope: FrontendScope.SCOPE_ANY_PORT,
});

const refusal: Frontend = { service: NO_SERVICE, kind: FrontendKind.UNSERVED, flags: 0 };

const isRefusal = (value: Frontend): boolean => sameValue(value, refusal);
