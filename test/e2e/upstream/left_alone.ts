import {
  PatchStrategy,
  setHeaderOptions,
  type V1EndpointSlice,
  type V1Service,
} from "@kubernetes/client-node";
import { it, onTestFinished } from "vitest";
import { type Attempt, attempt, type Site, type Target } from "../../harness/load.ts";
import { until } from "../../harness/until.ts";
import { isReachable, isRefused } from "./reachability.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject, targetPort, tcp } from "./subject.ts";

const namespace = "default";
const proxyName = "service.kubernetes.io/service-proxy-name";
const headless = "service.kubernetes.io/headless";

/** Labels by which a Service or a slice is none of this proxy's business. */
export const leftAlone: Scenes = (stage) => {
  it("[sig-network] Services should implement service.kubernetes.io/service-proxy-name (KP-01)", async () => {
    const { api } = stage().cluster;
    const [disabled, toggled] = await Promise.all([
      startDisabled(stage(), "proxy-disabled"),
      Subject.forTest(stage(), "proxy-toggled", {}, { replicas: 3 }),
    ]);
    const label = (value: string | null) =>
      api.patchService(toggled.name, { metadata: { labels: { [proxyName]: value } } });

    const onlyToggledIsUp = () =>
      Promise.all([isReachable(stage(), toggled, toggled.podNames), isDown(stage(), disabled)]);

    await onlyToggledIsUp();
    await label("foo-bar");
    await isDown(stage(), toggled.ways());
    await label(null);
    await onlyToggledIsUp();
  });

  it("[sig-network] Services should implement service.kubernetes.io/headless (KP-01)", async () => {
    const { api } = stage().cluster;
    const ports = [{ name: tcp.name, protocol: "TCP", port: 80 }];
    const service = { ports, ipFamilyPolicy: "RequireDualStack" };
    const subject = await api.createService("custom-endpoints", service);
    const servers = await stage().cluster.deployment("custom", {
      replicas: 1,
      ports: [{ port: targetPort }],
    });
    const slices = servers.pods.flatMap(({ pod }) => [
      sliceOf(subject, "IPv4", pod.ip4),
      sliceOf(subject, "IPv6", pod.ip6),
    ]);
    for (const body of slices) {
      await api.discovery.createNamespacedEndpointSlice({ namespace, body });
    }
    const label = async (value: string | null) => {
      for (const slice of slices) await labelSlice(stage(), slice, { [headless]: value });
    };

    await isReachable(stage(), subject, ["custom-0"]);
    await label("");
    await isRefused(stage(), subject);
    // Beyond upstream's: and back.
    await label(null);
    await isReachable(stage(), subject, ["custom-0"]);
  });
};

/** The ways to a Service that was another proxy's from the start, with its pods. */
async function startDisabled({ cluster }: Stage, app: string): Promise<readonly Target[]> {
  const { spec } = await cluster.api.createService(
    app,
    { selector: { app }, ports: [tcp], ipFamilyPolicy: "RequireDualStack" },
    { labels: { [proxyName]: "foo-bar" } },
  );
  const deployment = await cluster.deployment(app, { replicas: 3, ports: [{ port: targetPort }] });
  onTestFinished(() => deployment.remove());
  const addresses = deployment.pods.flatMap(({ pod }) => [pod.ip4, pod.ip6]);
  await cluster.api.waitForReady(app, addresses);
  return (spec?.clusterIPs ?? []).map((address) => ({ protocol: "tcp", address, port: 80 }));
}

/** Nothing translates these addresses, on either node: what is sent to them is lost. */
async function isDown({ hostPods }: Stage, ways: readonly Target[]): Promise<void> {
  const each = ways.flatMap((way) => Object.values(hostPods).map((from) => ({ from, way })));
  await Promise.all(each.map(({ from, way }) => isLost(from, way)));
}

/** The network would say so only after a second: until then it is neither answered nor refused. */
async function isLost(from: Site, way: Target): Promise<void> {
  let last: readonly Attempt[] = [];
  await until(
    async () => {
      last = await attempt(from, way, { timeoutMs: 300 });
      return last.every((each) => !each.ok && each.errno === "ETIMEDOUT");
    },
    {
      deadlineMs: 20_000,
      describe: () => `${way.address} to be left alone: ${JSON.stringify(last)}`,
    },
  );
}

/** A slice that no controller keeps. */
const sliceOf = (
  { metadata }: V1Service,
  addressType: "IPv4" | "IPv6",
  address: string,
): V1EndpointSlice => ({
  metadata: {
    name: `${metadata?.name}-${addressType.toLowerCase()}`,
    labels: {
      "kubernetes.io/service-name": `${metadata?.name}`,
      "endpointslice.kubernetes.io/managed-by": "e2e-test",
    },
  },
  addressType,
  ports: [{ name: tcp.name, protocol: "TCP", port: targetPort }],
  endpoints: [{ addresses: [address], conditions: { ready: true } }],
});

const labelSlice = (
  { cluster }: Stage,
  { metadata }: V1EndpointSlice,
  labels: Readonly<Record<string, string | null>>,
): Promise<V1EndpointSlice> =>
  cluster.api.discovery.patchNamespacedEndpointSlice(
    { namespace, name: `${metadata?.name}`, body: { metadata: { labels } } },
    setHeaderOptions("Content-Type", PatchStrategy.MergePatch),
  );
