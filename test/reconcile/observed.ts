import { MapError } from "../../agent/datapath/map_error.ts";
import type { ServiceMaps } from "../../agent/datapath/maps.ts";

/**
 * The same maps, calling `beforeWrite` before each store that a program could notice, and before
 * each entry of a batch. What it throws comes out of the write, as if the agent had died there.
 */
export function observedMaps(maps: ServiceMaps, beforeWrite: () => void): ServiceMaps {
  return {
    services: observedArray(maps.services, beforeWrite),
    backends: observedArray(maps.backends, beforeWrite),
    slots: maps.slots,
    frontends: {
      capacity: maps.frontends.capacity,
      entries: () => maps.frontends.entries(),
      update: oneByOne((batch) => maps.frontends.update(batch), beforeWrite),
      delete: oneByOne((batch) => maps.frontends.delete(batch), beforeWrite),
    },
    names: {
      entries: () => maps.names.entries(),
      update: oneByOne((batch) => maps.names.update(batch), beforeWrite),
    },
    sourceRanges: {
      capacity: maps.sourceRanges.capacity,
      entries: () => maps.sourceRanges.entries(),
      add: oneByOne((batch) => maps.sourceRanges.add(batch), beforeWrite),
      delete: oneByOne((batch) => maps.sourceRanges.delete(batch), beforeWrite),
    },
    serviceCidrs: {
      capacity: maps.serviceCidrs.capacity,
      entries: () => maps.serviceCidrs.entries(),
      add: oneByOne((batch) => maps.serviceCidrs.add(batch), beforeWrite),
      delete: oneByOne((batch) => maps.serviceCidrs.delete(batch), beforeWrite),
    },
    nodePorts: observedArray(maps.nodePorts, beforeWrite),
    gracePeriod: () => maps.gracePeriod(),
  };
}

function observedArray<T extends object>(array: T, beforeWrite: () => void): T {
  return new Proxy(array, {
    get(target, property) {
      const value = Reflect.get(target, property, target);
      if (typeof value !== "function") return value;
      const isStore = String(property).startsWith("set");
      return (...args: unknown[]) => {
        if (isStore) beforeWrite();
        return value.apply(target, args);
      };
    },
  });
}

/** Entries of a batch go in one after the other, so each of them is a write of its own. */
function oneByOne<T>(write: (batch: readonly T[]) => void, beforeWrite: () => void) {
  return (batch: readonly T[]) => {
    for (const [done, entry] of batch.entries()) {
      beforeWrite();
      attempt(() => write([entry]), done);
    }
  };
}

function attempt(write: () => void, done: number): void {
  try {
    write();
  } catch (error) {
    throw error instanceof MapError
      ? new MapError(error.code, error.map, done, error.message, error)
      : error;
  }
}
