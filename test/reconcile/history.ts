import fc from "fast-check";
import { portKey } from "../../agent/compile/key.ts";
import type { DesiredService, Frontend } from "../../agent/compile/records.ts";

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
const NODE_PORTS = 3;
const EXTERNALS = 3;

/** Of the four clients of `answers.ts`, they tell the first two from the others and from each other. */
const RANGES = ["192.0.2.0/24", "192.0.2.128/25", "198.51.100.0/24"] as const;

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
      externalLocal: fc.boolean(),
      affinityTimeoutSeconds: fc.constantFrom(0, 10_800),
      nodePort: optional(fc.nat(NODE_PORTS - 1)),
      external: optional(fc.nat(EXTERNALS - 1)),
      externalKind: fc.constantFrom("ExternalIP" as const, "LoadBalancer" as const),
      sourceRanges: optional(fc.subarray([...RANGES])),
      weights: fc.constantFrom([1], [1], [1, 2], [3, 1, 2]),
      algorithm: fc.constantFrom("random" as const, "random" as const, "maglev" as const),
    })
    .map(({ service, inCluster, inLocal, terminating, weights, ...rest }) => ({
      id: idOf(service),
      port: 80,
      frontends: frontendsOf(rest),
      backends: Array.from({ length: 9 }, (_, bit) => ({
        address: `10.${service}.0.${bit}`,
        port: 8080,
        inCluster: has(inCluster, bit),
        inLocal: has(inLocal, bit),
        local: bit < 4,
        ready: !has(terminating, bit),
        serving: true,
        terminating: has(terminating, bit),
        weight: weights[bit % weights.length] ?? 1,
      })).filter((backend) => backend.inCluster || backend.inLocal),
      affinityTimeoutSeconds: rest.affinityTimeoutSeconds,
      internalLocal: rest.internalLocal,
      externalLocal: rest.externalLocal,
      algorithm: rest.algorithm,
      sourceRanges: rest.sourceRanges,
    }));
}

function optional<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(arbitrary, { nil: undefined, freq: 1 });
}

/** Addresses are shared by several Services at times, and ports of them by one only. */
function frontendsOf(given: {
  readonly addresses: readonly number[];
  readonly nodePort: number | undefined;
  readonly external: number | undefined;
  readonly externalKind: "ExternalIP" | "LoadBalancer";
}): readonly Frontend[] {
  const { addresses, nodePort, external, externalKind: kind } = given;
  const frontends: Frontend[] = addresses.map((last) => ({
    kind: "ClusterIP",
    address: `10.96.0.${last}`,
    port: 80,
  }));
  if (external !== undefined) frontends.push({ kind, address: `192.0.2.${external}`, port: 80 });
  if (nodePort === undefined) return frontends;
  return [...frontends, { kind: "NodePort", address: "0.0.0.0", port: 30_000 + nodePort }];
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
