import fc from "fast-check";
import type { EndpointCase, Family, PortCase, Scenario, ServiceCase } from "./scenario.ts";

const places = ["a-0", "a-1", "bypass", "b-0", "b-1", "host-a", "host-b"] as const;

/** Ready, terminating but serving, neither, or what publishNotReadyAddresses makes. */
const conditions = fc.oneof(
  { weight: 6, arbitrary: fc.constant({}) },
  { weight: 2, arbitrary: fc.constant({ ready: false, serving: true, terminating: true }) },
  { weight: 1, arbitrary: fc.constant({ ready: false, serving: false, terminating: true }) },
  { weight: 1, arbitrary: fc.constant({ ready: false }) },
  { weight: 1, arbitrary: fc.constant({ ready: false, serving: true }) },
  { weight: 1, arbitrary: fc.constant({ terminating: true }) },
  { weight: 1, arbitrary: fc.constant({ ready: null, serving: null, terminating: null }) },
);

const hints = fc.oneof(
  { weight: 5, arbitrary: fc.constant({}) },
  {
    weight: 2,
    arbitrary: fc.record({ zoneHints: fc.subarray(["z1", "z2", "z3"] as const) }),
  },
  { weight: 1, arbitrary: fc.record({ nodeHints: fc.subarray(["a", "b"] as const) }) },
);

const ENDPOINTS = 3;

/** Distinct ones; most Services have hints for all endpoints or for none. */
const endpoints: fc.Arbitrary<readonly EndpointCase[]> = fc
  .tuple(fc.shuffledSubarray([...places], { maxLength: ENDPOINTS }), fc.boolean())
  .chain(([chosen, isHinted]) =>
    fc.tuple(
      ...chosen.map((on) =>
        fc
          .tuple(conditions, isHinted ? hints : fc.constant({}))
          .map(([condition, hint]): EndpointCase => ({ on, ...condition, ...hint })),
      ),
    ),
  );

const ports: fc.Arbitrary<readonly PortCase[]> = fc.constantFrom<readonly PortCase[]>(
  [{ protocol: "TCP" }, { protocol: "UDP" }],
  [{ protocol: "TCP" }],
  [{ protocol: "UDP", port: 53, targetPort: 9090 }],
  [
    { name: "web", protocol: "TCP" },
    { name: "admin", protocol: "TCP", port: 81, targetPort: 9090, nodePort: 1 },
  ],
  [{ protocol: "TCP", nodePort: false }],
  [{ protocol: "TCP", targetPort: 9999 }, { protocol: "UDP" }],
);

const policy = fc.constantFrom("Cluster", "Local");

const sourceRanges = fc.constantFrom(
  undefined,
  undefined,
  undefined,
  ["192.168.1.0/24", "fd00:192:168:1::/64"],
  ["192.0.2.0/24"],
  ["172.30.0.1/32", "2001:db8::/32"],
);

const families: fc.Arbitrary<readonly Family[] | undefined> = fc.constantFrom<
  readonly Family[] | undefined
>(undefined, undefined, undefined, ["IPv4"], ["IPv6"], ["IPv6", "IPv4"]);

const service: fc.Arbitrary<ServiceCase> = fc
  .record({
    type: fc.constantFrom("ClusterIP", "NodePort", "LoadBalancer", "LoadBalancer"),
    families,
    ports,
    endpoints,
    internalTrafficPolicy: policy,
    externalTrafficPolicy: policy,
    externalIP: fc.boolean(),
    ipMode: fc.constantFrom(undefined, undefined, undefined, "VIP", "Proxy"),
    sourceRanges,
    affinitySeconds: fc.constantFrom(undefined, undefined, undefined, undefined, 600),
  })
  .map((fields) => defined(fields) as ServiceCase);

const defined = (fields: object): object =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

/** What a Service is at first and, now and then, what it becomes. */
const steps: fc.Arbitrary<readonly ServiceCase[]> = fc.oneof(
  { weight: 3, arbitrary: service.map((first) => [first]) },
  { weight: 1, arbitrary: fc.tuple(service, service) },
);

/** Scenarios that a seed stands for; the first ones of a longer list are the same. */
export const generate = (seed: number, count: number): readonly Scenario[] =>
  fc
    .sample(steps, { seed, numRuns: count })
    .map((own, index) => ({ name: `seed ${seed}, number ${index}`, steps: own }));
