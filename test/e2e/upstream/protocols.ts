import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { isPublished, isReachable, isRefused } from "./reachability.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject } from "./subject.ts";

/** One port number for two protocols, and a protocol that few clusters use. */
export const protocols: Scenes = (stage) => {
  it("[sig-network] Services should serve endpoints on same port and different protocols [Conformance] (KP-31, KP-33, KP-34)", () =>
    sharePort(stage()));
  it("[sig-network] Services should serve endpoints on same port and different protocol for internal traffic on Type LoadBalancer (KP-22, KP-33)", () =>
    sharePortOfBalancer(stage()));
  it("[sig-network] Services should allow creating a basic SCTP service with pod and endpoints [LinuxOnly] [Serial] (KP-33)", () =>
    createSctp(stage()));
};

const tcpPort = { name: "tcp-port", protocol: "TCP", port: 80, targetPort: 80 } as const;
const udpPort = { name: "udp-port", protocol: "UDP", port: 80, targetPort: 80 } as const;

async function sharePort(stage: Stage): Promise<void> {
  const subject = await Subject.forTest(
    stage,
    "multiprotocol-test",
    { ports: [tcpPort, udpPort] },
    { ports: [{ port: 80 }, { port: 80, protocol: "UDP" }] },
  );
  const { podNames } = subject;
  const both = { spec: subject.spec };
  await isReachable(stage, both, podNames);

  await subject.update({ ports: [tcpPort] });
  await isReachable(stage, both, podNames, "tcp-port");
  await isRefused(stage, both, "udp-port");

  await subject.update({ ports: [udpPort] });
  await isReachable(stage, both, podNames, "udp-port");
  await isRefused(stage, both, "tcp-port");
}

async function sharePortOfBalancer(stage: Stage): Promise<void> {
  const subject = await Subject.forTest(
    stage,
    "multiprotocol-lb-test",
    {
      type: "LoadBalancer",
      ports: [
        { name: "portname1", protocol: "TCP", port: 80, targetPort: "svc1" },
        { name: "portname2", protocol: "UDP", port: 80, targetPort: "svc2" },
      ],
    },
    {
      ports: [
        { name: "svc1", port: 100 },
        { name: "svc2", port: 100, protocol: "UDP" },
      ],
    },
  );
  await isReachable(stage, subject, subject.podNames);
}

/** There once the kernel knows of SCTP. */
const knowsSctp = (): boolean => existsSync("/proc/sys/net/sctp");

/** As upstream: no traffic, and nothing that has the kernel load the protocol. */
async function createSctp(stage: Stage): Promise<void> {
  const { api } = stage.cluster;
  const knewBefore = knowsSctp();
  const name = "sctp-endpoint-test";
  const labels = { testid: name };
  const ports = [{ port: 5060, protocol: "SCTP" as const }];
  const spec = { ipFamilyPolicy: "RequireDualStack", selector: labels, ports };
  const service = await api.createService(name, spec);
  expect(service.spec?.clusterIPs).toHaveLength(2);
  await api.waitForReady(name, []);

  const server = await stage.serve("a", { name: "sctp-0", labels, ports });
  await api.waitForReady(name, [server.pod.ip4, server.pod.ip6]);
  await isPublished(stage, name, 1);
  await server.remove();
  await api.waitForReady(name, []);
  await isPublished(stage, name, 0);
  expect(knowsSctp()).toBe(knewBefore);
}
