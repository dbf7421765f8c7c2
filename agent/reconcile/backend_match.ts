import { BackendFlag } from "../../bpf/build/layout.ts";
import type { Backend } from "../compile/records.ts";
import { addressBytes } from "../model/ip.ts";
import { endpointKey, type LiveBackends, SLICE_FLAGS } from "./live_backends.ts";

/** Desired backends against those that the maps hold. */
export interface BackendMatch {
  /** For each desired backend, the record that is it already. */
  readonly records: readonly (number | undefined)[];
  /** Desired backends without a record. */
  readonly fresh: number;
  /** Records that nobody desires. */
  readonly gone: readonly number[];
  /** Some record leaves a slice, or all of them: sockets may have to leave it too (PF-24). */
  readonly narrowed: boolean;
  /** The slices hold what they should, in whatever slots. */
  readonly sameMembers: boolean;
}

const scratch = new Uint8Array(16);

export function matchBackends(live: LiveBackends, desired: readonly Backend[]): BackendMatch {
  const left = new Map(live.byEndpoint);
  let fresh = 0;
  let moved = false;
  let narrowed = false;
  const records = desired.map((backend) => {
    const key = endpointKey(addressInto(backend.address, scratch), backend.port);
    const known = left.get(key);
    left.delete(key);
    if (known === undefined) {
      fresh++;
      return undefined;
    }
    const wanted = backendFlags(backend) & SLICE_FLAGS;
    if (known.slices !== wanted) moved = true;
    if ((known.slices & ~wanted) !== 0) narrowed = true;
    return known.index;
  });
  const gone = [...Array.from(left.values(), ({ index }) => index), ...live.surplus];
  const sameMembers = fresh === 0 && gone.length === 0 && !moved && live.strays.length === 0;
  return { records, fresh, gone, narrowed: narrowed || gone.length > 0, sameMembers };
}

export function backendFlags(backend: Backend): number {
  return (
    (backend.inCluster ? BackendFlag.IN_CLUSTER : 0) |
    (backend.inLocal ? BackendFlag.IN_LOCAL : 0) |
    (backend.local ? BackendFlag.LOCAL : 0) |
    (backend.ready ? BackendFlag.READY : 0) |
    (backend.serving ? BackendFlag.SERVING : 0) |
    (backend.terminating ? BackendFlag.TERMINATING : 0)
  );
}

/** Fills `into` and returns it. The compiler lets only plain addresses through. */
export function addressInto(text: string, into: Uint8Array): Uint8Array {
  if (addressBytes(text, into, 0) === undefined) throw new RangeError(`no IP address: ${text}`);
  return into;
}
