import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CompileResult, compileService } from "../../agent/compile/compile.ts";
import { portKey, serviceKey } from "../../agent/compile/key.ts";
import type { IpFamily } from "../../agent/model/address.ts";
import type { SourceEvent } from "../../agent/model/event.ts";
import { canonicalAddress } from "../../agent/model/ip.ts";
import { Store } from "../../agent/model/store.ts";
import { eventArbitrary, serviceArbitrary, sliceArbitrary } from "./arbitrary.ts";

const settings = { families: new Set<IpFamily>(["IPv4", "IPv6"]) };

function compileKey(store: Store, key: string): CompileResult | undefined {
  const service = store.service(key);
  if (service === undefined) return undefined;
  const node = { name: "node-a", zone: store.node?.zone };
  return compileService(service, store.slicesOf(key), node, settings);
}

/** Keeps a compiled result per Service, and renews only what a change names. */
class Follower {
  readonly store = new Store("node-a");
  readonly results = new Map<string, CompileResult>();

  follow(events: readonly SourceEvent[]): void {
    const change = this.store.apply(events);
    const keys = new Set(change.services);
    if (change.everything) for (const [key] of this.store.services()) keys.add(key);
    for (const key of keys) {
      const result = compileKey(this.store, key);
      if (result === undefined) this.results.delete(key);
      else this.results.set(key, result);
    }
  }
}

/** Without the order that carries no meaning. */
const normalised = (results: Iterable<readonly [string, CompileResult]>) =>
  Object.fromEntries(
    [...results]
      .map(([key, result]) => [key, normalisedResult(result)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
const normalisedResult = ({ services, healthCheck, problems }: CompileResult) => ({
  services: services.map((each) => ({
    ...each,
    backends: each.backends.map((backend) => JSON.stringify(backend)).sort(),
  })),
  healthCheck,
  problems: problems.map((problem) => JSON.stringify(problem)).sort(),
});

/** The last word on each object; what was deleted last is not there. */
function finalEvents(events: readonly SourceEvent[]): readonly SourceEvent[] {
  const last = new Map<string, SourceEvent>();
  for (const event of events) {
    switch (event.kind) {
      case "service":
        last.set(`service ${serviceKey(event.service.namespace, event.service.name)}`, event);
        break;
      case "service-deleted":
        last.delete(`service ${serviceKey(event.namespace, event.name)}`);
        break;
      case "slice":
        last.set(`slice ${serviceKey(event.slice.namespace, event.slice.name)}`, event);
        break;
      case "slice-deleted":
        last.delete(`slice ${serviceKey(event.namespace, event.name)}`);
        break;
      case "node":
        last.set(`node ${event.node.name}`, event);
        break;
      case "node-deleted":
        last.delete(`node ${event.name}`);
        break;
    }
  }
  return [...last.values()];
}

describe("recompiling just what changed", () => {
  const history = fc.array(fc.array(eventArbitrary, { minLength: 1, maxLength: 4 }), {
    maxLength: 12,
  });

  it("ends where a fresh start with the final objects in any order does (KP-34, PF-03)", () => {
    const scenes = history.chain((batches) => {
      const final = [...finalEvents(batches.flat())];
      const shuffled = fc.shuffledSubarray(final, { minLength: final.length });
      return fc.record({ batches: fc.constant(batches), final: shuffled });
    });
    fc.assert(
      fc.property(scenes, ({ batches, final }) => {
        const running = new Follower();
        for (const batch of batches) running.follow(batch);
        const fresh = new Follower();
        fresh.follow(final);
        expect(normalised(running.results)).toEqual(normalised(fresh.results));
        expect(running.store.serviceCount).toBe(fresh.store.serviceCount);
        expect(running.store.sliceCount).toBe(fresh.store.sliceCount);
      }),
      { numRuns: 500 },
    );
  });

  it("leaves nothing behind once everything is deleted", () => {
    fc.assert(
      fc.property(history, (batches) => {
        const follower = new Follower();
        for (const batch of batches) follower.follow(batch);
        const deletions = finalEvents(batches.flat()).flatMap((event): SourceEvent[] => {
          if (event.kind === "service") return [{ ...event.service, kind: "service-deleted" }];
          return event.kind === "slice" ? [{ ...event.slice, kind: "slice-deleted" }] : [];
        });
        if (deletions.length > 0) follower.follow(deletions);
        expect(follower.results.size).toBe(0);
        expect([follower.store.serviceCount, follower.store.sliceCount]).toEqual([0, 0]);
        for (const event of batches.flat()) {
          if (event.kind !== "slice") continue;
          const key = serviceKey(event.slice.namespace, event.slice.serviceName);
          expect(follower.store.slicesOf(key)).toEqual([]);
        }
      }),
    );
  });
});

describe("any Service with any slices", () => {
  const scenes = fc.record({
    service: serviceArbitrary,
    slices: fc.array(sliceArbitrary, { maxLength: 4 }),
  });

  it("gets only backends that a slice of the family lists at a port of its name (KP-03)", () => {
    fc.assert(
      fc.property(scenes, ({ service, slices }) => {
        const node = { name: "node-a", zone: "zone-1" };
        for (const { id, backends } of compileService(service, slices, node, settings).services) {
          const listed = slices
            .filter(({ family }) => family === id.family)
            .flatMap(({ ports, endpoints }) =>
              ports
                .filter(({ name, protocol }) => name === id.portName && protocol === id.protocol)
                .flatMap(({ port }) =>
                  endpoints.map(({ address }) => `${canonicalAddress(address)} ${port}`),
                ),
            );
          const selected = backends.map(({ address, port }) => `${address} ${port}`);
          expect(listed).toEqual(expect.arrayContaining(selected));
          expect(new Set(selected).size).toBe(selected.length);
          for (const { inCluster, inLocal } of backends) expect(inCluster || inLocal).toBe(true);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("gets records of distinct keys and distinct frontends (KP-33)", () => {
    fc.assert(
      fc.property(scenes, ({ service, slices }) => {
        const node = { name: "node-a", zone: undefined };
        const { services } = compileService(service, slices, node, settings);
        const frontends = services.flatMap(({ id, frontends }) =>
          frontends.map(({ address, port }) => `${address} ${port} ${id.protocol}`),
        );
        expect(new Set(services.map(({ id }) => portKey(id))).size).toBe(services.length);
        expect(new Set(frontends).size).toBe(frontends.length);
        expect(frontends.length).toBeGreaterThanOrEqual(services.length);
      }),
      { numRuns: 500 },
    );
  });
});
