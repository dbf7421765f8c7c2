import type { V1EndpointSlice } from "@kubernetes/client-node";
import { it } from "vitest";
import type { ClusterPod } from "../../harness/cluster_pod.ts";
import { isReachable, isRefused } from "./reachability.ts";
import type { Scenes, Stage } from "./stage.ts";

/** Services without a selector, whose EndpointSlices are written by hand. */
export const customSlices: Scenes = (stage) => {
  it("[sig-network] EndpointSlice should support a Service with multiple ports specified in multiple EndpointSlices [Conformance] (KP-03, KP-33)", () =>
    splitPorts(stage()));
  it("[sig-network] EndpointSlice should support a Service with multiple endpoint IPs specified in multiple EndpointSlices [Conformance] (KP-03, KP-33)", () =>
    splitAddresses(stage()));
};

async function splitPorts(stage: Stage): Promise<void> {
  const name = "custom-endpoints-by-port";
  const service = await createService(stage, name);
  await isRefused(stage, service);
  const ports = [{ port: 8090 }, { port: 9090 }];
  const server = await stage.serve("b", { name: "two-ports", labels: {}, ports });
  await writeSlices(stage, name, server, "port80", 8090);
  await writeSlices(stage, name, server, "port81", 9090);
  await isReachable(stage, service, ["two-ports"]);
}

async function splitAddresses(stage: Stage): Promise<void> {
  const name = "custom-endpoints-by-address";
  const service = await createService(stage, name);
  const ports = [{ port: 8090 }];
  const one = await stage.serve("a", { name: "custom-1", labels: {}, ports });
  const two = await stage.serve("b", { name: "custom-2", labels: {}, ports });
  await writeSlices(stage, name, one, "port80", 8090);
  await writeSlices(stage, name, two, "port81", 8090);
  await isReachable(stage, service, ["custom-1"], "port80");
  await isReachable(stage, service, ["custom-2"], "port81");
}

const createService = ({ cluster }: Stage, name: string) =>
  cluster.api.createService(name, {
    ipFamilyPolicy: "RequireDualStack",
    ports: [
      { name: "port80", protocol: "TCP", port: 80 },
      { name: "port81", protocol: "TCP", port: 81 },
    ],
  });

/** One of each family; they name no node, as upstream's do not. */
async function writeSlices(
  { cluster }: Stage,
  service: string,
  { pod }: ClusterPod,
  name: string,
  port: number,
): Promise<void> {
  const slice = (addressType: string, address: string): V1EndpointSlice => ({
    addressType,
    metadata: {
      generateName: "e2e-custom-slice-",
      labels: {
        "kubernetes.io/service-name": service,
        "endpointslice.kubernetes.io/managed-by": "e2e-test",
      },
    },
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: [{ name, port, protocol: "TCP" }],
  });
  for (const body of [slice("IPv4", pod.ip4), slice("IPv6", pod.ip6)])
    await cluster.api.discovery.createNamespacedEndpointSlice({ namespace: "default", body });
}
