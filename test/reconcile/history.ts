import fc from "fast-check";
import { portKey } from "../../agent/compile/key.ts";
import type { DesiredService } from "../../agent/compile/records.ts";

/** One thing that happens to an agent. */
export type Event =
  | {
      readonly kind: "change";
      readonly services: readonly DesiredService[];
      readonly removed: readonly string[];
      /** The agent dies before this write of the change, if it makes that many. */
      readonly killedAt: number | undefined;
      /** Writes of the change before which a program begins a lookup that takes its time. */
      readonly readersAt: readonly number[];
    }
  | { readonly kind: "elapse" | "retry" | "restart" };

const SERVICES = 5;
const ADDRESSES = 7;

/**
 * Histories of a few Services over a few addresses. The second octet of a backend's address is the
 * number of its Service, so that a foreign one shows.
 */
export const histories: fc.Arbitrary<readonly Event[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: changes() },
    { weight: 4, arbitrary: fc.constant<Event>({ kind: "elapse" }) },
    { weight: 1, arbitrary: fc.constant<Event>({ kind: "retry" }) },
    { weight: 1, arbitrary: fc.constant<Event>({ kind: "restart" }) },
  ),
  { minLength: 1, maxLength: 40 },
);

function changes(): fc.Arbitrary<Event> {
  return fc.record({
    kind: fc.constant("change" as const),
    services: fc.uniqueArray(services(), {
      selector: ({ id }) => portKey(id),
      minLength: 1,
      maxLength: 3,
    }),
    removed: fc.oneof(
      { weight: 2, arbitrary: fc.constant<string[]>([]) },
      { weight: 1, arbitrary: fc.array(fc.nat(SERVICES - 1).map(keyOf), { maxLength: 2 }) },
    ),
    killedAt: fc.oneof(
      { weight: 5, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.nat(40) },
    ),
    readersAt: fc.array(fc.nat(40), { maxLength: 4 }),
  });
}

function services(): fc.Arbitrary<DesiredService> {
  return fc
    .record({
      service: fc.nat(SERVICES - 1),
      addresses: fc.uniqueArray(fc.nat(ADDRESSES - 1), { minLength: 1, maxLength: 2 }),
      inCluster: fc.nat(0x1ff),
      inLocal: fc.nat(0x1ff),
      terminating: fc.nat(0x1ff),
      internalLocal: fc.boolean(),
      affinityTimeoutSeconds: fc.constantFrom(0, 10_800),
    })
    .map(({ service, addresses, inCluster, inLocal, terminating, ...settings }) => ({
      id: idOf(service),
      port: 80,
      frontends: addresses.map((last) => ({
        kind: "ClusterIP" as const,
        address: `10.96.0.${last}`,
        port: 80,
      })),
      backends: Array.from({ length: 9 }, (_, bit) => ({
        address: `10.${service}.0.${bit}`,
        port: 8080,
        inCluster: has(inCluster, bit),
        inLocal: has(inLocal, bit),
        local: bit < 4,
        ready: !has(terminating, bit),
        serving: true,
        terminating: has(terminating, bit),
        weight: 1,
      })).filter((backend) => backend.inCluster || backend.inLocal),
      externalLocal: false,
      algorithm: "random" as const,
      sourceRanges: undefined,
      ...settings,
    }));
}

function has(mask: number, bit: number): boolean {
  return (mask & (1 << bit)) !== 0;
}

function idOf(service: number): DesiredService["id"] {
  const name = `s${service}`;
  return { namespace: "default", name, portName: "", protocol: "TCP", family: "IPv4" };
}

function keyOf(service: number): string {
  return portKey(idOf(service));
}
