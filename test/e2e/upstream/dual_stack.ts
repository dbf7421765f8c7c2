import type { V1Service } from "@kubernetes/client-node";
import { describe, expect, it } from "vitest";
import { reaches } from "../reach.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject, targetPort } from "./subject.ts";

type Family = "IPv4" | "IPv6";
type Wanted = Pick<NonNullable<V1Service["spec"]>, "ipFamilyPolicy" | "ipFamilies">;

const ports = [
  { name: "tcp-port", protocol: "TCP", port: 53, targetPort },
  { name: "udp-port", protocol: "UDP", port: 53, targetPort },
];

const clusterIP: Readonly<Record<Family, RegExp>> = { IPv4: /^10\.96\./, IPv6: /^fd00:96::/ };

/** Services of either family, and of both in either order: test/e2e/network/dual_stack.go. */
export const dualStack: Scenes = (stage) => {
  describe("the families of a Service", () => {
    it("[sig-network] [Feature:IPv6DualStack] should create a single stack service with cluster ip from primary service range (KP-02, KP-20)", () =>
      hasFamilies(stage(), "defaultclusterip", {}, "SingleStack", ["IPv4"]));

    it("[sig-network] [Feature:IPv6DualStack] should create service with ipv4 cluster ip (KP-02, KP-20)", () =>
      hasFamilies(stage(), "ipv4clusterip", { ipFamilies: ["IPv4"] }, "SingleStack", ["IPv4"]));

    it("[sig-network] [Feature:IPv6DualStack] should create service with ipv6 cluster ip (KP-02, KP-20)", () =>
      hasFamilies(stage(), "ipv6clusterip", { ipFamilies: ["IPv6"] }, "SingleStack", ["IPv6"]));

    it("[sig-network] [Feature:IPv6DualStack] should create service with ipv4,v6 cluster ip (KP-02, KP-20)", () =>
      hasBoth(stage(), "ipv4ipv6clusterip", ["IPv4", "IPv6"]));

    it("[sig-network] [Feature:IPv6DualStack] should create service with ipv6,v4 cluster ip (KP-02, KP-20)", () =>
      hasBoth(stage(), "ipv6ipv4clusterip", ["IPv6", "IPv4"]));
  });
};

const hasBoth = (stage: Stage, name: string, ipFamilies: readonly Family[]): Promise<void> => {
  const ipFamilyPolicy = "RequireDualStack";
  const wanted = { ipFamilyPolicy, ipFamilies: [...ipFamilies] };
  return hasFamilies(stage, name, wanted, ipFamilyPolicy, ipFamilies);
};

/**
 * What was asked for is what the Service has, and its slices; it answers by these families, at the
 * ClusterIPs and at the NodePorts, and by no other one.
 */
async function hasFamilies(
  stage: Stage,
  name: string,
  wanted: Wanted,
  policy: string,
  families: readonly Family[],
): Promise<void> {
  const spec = { type: "NodePort", ports, ipFamilyPolicy: undefined as never, ...wanted };
  const subject = await Subject.forTest(stage, name, spec, { replicas: 2 });
  expect(subject.spec.ports).toHaveLength(2);
  expect(subject.spec).toMatchObject({
    ipFamilyPolicy: policy,
    ipFamilies: families,
    clusterIPs: families.map((family) => expect.stringMatching(clusterIP[family])),
  });
  await stage.cluster.api.waitForReady(name, addressesOf(subject, families));
  for (const agent of Object.values(stage.agents)) await agent.hasEndpoints(name, 2);

  for (const index of ports.keys()) {
    const { a, b } = stage.nodes;
    const inside = [
      ...subject.ways(index),
      ...subject.nodePortWays(a, index),
      ...subject.nodePortWays(b, index),
    ];
    await Promise.all([
      ...Object.values(stage.pods).map((pod) => reaches(pod, inside, ...subject.podNames)),
      reaches(stage.outside, subject.nodePortWays(b, index), ...subject.podNames),
    ]);
  }
  for (const agent of Object.values(stage.agents)) {
    const reports = (await agent.services()).filter((each) => each.name === name);
    const programmed = new Set(reports.map(({ family }) => family));
    expect([...programmed].sort()).toEqual(families.toSorted());
  }
}

/** Of every pod, those of these families: what the slices have to hold, and nothing more. */
const addressesOf = ({ pods }: Subject, families: readonly Family[]): readonly string[] =>
  pods.pods.flatMap(({ pod }) => families.map((family) => (family === "IPv6" ? pod.ip6 : pod.ip4)));
