import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../../harness/until.ts";
import { reaches } from "../reach.ts";
import { isClosed } from "./closed.ts";
import { keepsToOne } from "./kept_affinity.ts";
import { exchangesOverHttp, exchangesOverUdp, serveWeb } from "./large_requests.ts";
import { type Dialled, Nettest } from "./nettest.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject } from "./subject.ts";

const primary = "[sig-network] Networking Granular Checks: Services";
const secondary =
  "[sig-network] [Feature:IPv6DualStack] Granular Checks: Services Secondary IP Family [LinuxOnly]";

/** Every kind of client and every address: test/e2e/network/networking.go and dual_stack.go. */
export const granularChecks: Scenes = (stage) => {
  describe("Granular checks of the primary family", () => {
    checks(primary, "primary", stage);
    changes(stage);
  });
  describe("Granular checks of the secondary family", () => {
    checks(secondary, "secondary", stage);
  });
  describe("Networking", () => {
    it("[sig-network] Networking should check kube-proxy urls (KP-41, KP-42)", () =>
      checkUrls(stage()));
  });
};

/** What upstream asks of both families, under one title or the other. */
function checks(title: string, family: "primary" | "secondary", stage: () => Stage): void {
  const name = `nettest-${family}`;
  let net: Nettest;

  beforeAll(async () => {
    net = await Nettest.create(stage(), name, { family });
  });
  afterAll(() => net?.[Symbol.asyncDispose]());

  const pods = () => Object.values(stage().pods);
  const hostPods = () => Object.values(stage().hostPods);
  const endpoints = () => net.subject.pods.pods.map(({ pod }) => pod);

  for (const protocol of ["http", "udp"] as const) {
    it(`${title} should function for pod-Service: ${protocol} (KP-12, KP-20, KP-26)`, () =>
      net.dial(protocol, ...pods()));

    it(`${title} should function for node-Service: ${protocol} (KP-12, KP-20, KP-26)`, () =>
      net.dial(protocol, ...hostPods()));

    it(`${title} should function for endpoint-Service: ${protocol} (KP-20, KP-26, KP-29)`, () =>
      net.dial(protocol, ...endpoints()));

    it(`${title} should update endpoints: ${protocol} (KP-12, PF-20)`, async () => {
      const changed = await Nettest.forTest(stage(), `${name}-${protocol}`, { family });
      await changed.dial(protocol, ...pods());
      await changed.loseFirst();
      await changed.dial(protocol, ...pods());
      expect(changed.endpoints).toEqual([`${name}-${protocol}-1`]);
    });

    it(`${title} should function for client IP based session affinity: ${protocol} [LinuxOnly] (KP-28)`, async () => {
      for (const pod of pods()) {
        for (const way of net.clusterIP(protocol, net.sticky)) {
          await keepsToOne(pod, way, net.endpoints);
        }
      }
    });
  }

  it(`${title} should be able to handle large requests: http (KP-20)`, async () => {
    const subject = await serveWeb(stage(), `${name}-large`);
    for (const pod of pods()) {
      for (const way of net.clusterIP("http", subject)) await exchangesOverHttp(pod, way);
    }
  });

  it(`${title} should be able to handle large requests: udp (KP-20)`, async () => {
    for (const pod of pods()) {
      for (const way of net.clusterIP("udp")) await exchangesOverUdp(pod, way);
    }
  });

  it(`${title} should function for service endpoints using hostNetwork (KP-12, KP-20, KP-26)`, async () => {
    const hosted = await Nettest.forTest(stage(), `${name}-host`, { family, hostNetwork: true });
    const large = await serveWeb(stage(), `${name}-host-large`, true);
    for (const protocol of ["http", "udp"] as const) {
      await hosted.dial(protocol, ...pods(), ...hostPods());
    }
    for (const pod of pods()) {
      for (const way of hosted.clusterIP("http", large)) await exchangesOverHttp(pod, way);
      for (const way of hosted.clusterIP("udp")) await exchangesOverUdp(pod, way);
    }
  });
}

/** What it asks of the primary one alone. */
function changes(stage: () => Stage): void {
  it("[sig-network] Networking Granular Checks: Services should function for multiple endpoint-Services with same selector (KP-34)", () =>
    outliveTwin(stage()));

  it("[sig-network] Networking Granular Checks: Services should update nodePort: http [Slow] (KP-26, KP-34)", () =>
    deleteNodePort(stage(), "http"));

  it("[sig-network] Networking Granular Checks: Services should support basic nodePort: udp functionality (KP-26)", async () => {
    const net = await Nettest.forTest(stage(), "nettest-basic", { family: "primary" });
    for (const pod of Object.values(stage().hostPods)) {
      await reaches(pod, net.nodePorts("udp"), ...net.endpoints);
    }
  });

  it("[sig-network] Networking Granular Checks: Services should update nodePort: udp [Slow] (KP-26, KP-34)", () =>
    deleteNodePort(stage(), "udp"));
}

async function outliveTwin(stage: Stage): Promise<void> {
  const net = await Nettest.forTest(stage, "nettest-twins", { family: "primary" });
  const { selector, ports = [] } = net.subject.spec;
  const twin = await Subject.forTest(
    stage,
    "nettest-second",
    {
      ...{ type: "NodePort", ipFamilyPolicy: "SingleStack" },
      ...{
        selector: selector ?? {},
        ports: ports.slice(0, 1).map(({ nodePort, ...rest }) => rest),
      },
    },
    { replicas: 0 },
  );
  const endpoints = net.subject.pods.pods.map(({ pod }) => pod);
  const reachTwin = async () => {
    const ways = [...net.clusterIP("http", twin), ...net.nodePorts("http", twin)];
    for (const pod of endpoints) await reaches(pod, ways, ...net.endpoints);
  };

  await net.dial("http", ...endpoints);
  await reachTwin();
  const gone = [...net.clusterIP("http"), ...net.nodePorts("http")];
  await stage.cluster.api.deleteService(net.subject.name);
  for (const pod of endpoints) await reaches(pod, gone, "ECONNREFUSED");
  await reachTwin();
}

async function deleteNodePort(stage: Stage, protocol: Dialled): Promise<void> {
  const net = await Nettest.forTest(stage, `nettest-gone-${protocol}`, { family: "primary" });
  const ways = net.nodePorts(protocol);
  const hostPods = Object.values(stage.hostPods);
  for (const pod of hostPods) await reaches(pod, ways, ...net.endpoints);
  await stage.cluster.api.deleteService(net.subject.name);
  for (const pod of hostPods) await isClosed(pod, ways);
}

async function checkUrls({ hostPods }: Stage): Promise<void> {
  for (const pod of Object.values(hostPods)) {
    const says = (url: string, text: string) =>
      until(async () => (await pod.run("curl", ["-i", "-s", url])).stdout.includes(text), {
        deadlineMs: 20_000,
        describe: `${pod.node.name} to say ${text} at ${url}`,
      });
    await says("http://localhost:10256/healthz", "200 OK");
    await says("http://localhost:10256/healthz", "lastUpdated");
    await says("http://localhost:10249/proxyMode", "200 OK");
  }
}
