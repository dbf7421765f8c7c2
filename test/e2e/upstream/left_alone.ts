import { PatchStrategy, setHeaderOptions, type V1Service } from "@kubernetes/client-node";
import { describe, it } from "vitest";
import type { Deployment } from "../../harness/deployment.ts";
import type { Target } from "../../harness/load.ts";
import { reaches } from "../reach.ts";
import type { Scenes } from "./stage.ts";

const proxyName = "service.kubernetes.io/service-proxy-name";
const headless = "service.kubernetes.io/headless";

const port = { name: "http", protocol: "TCP", port: 80, targetPort: 8090 } as const;

const waysTo = ({ spec }: V1Service): readonly Target[] =>
  (spec?.clusterIPs ?? []).map((address) => ({ protocol: "tcp", address, port: 80 }));

/** Upstream's tests of the labels by which an object is none of this proxy's business. */
export const leftAlone: Scenes = (stage) => {
  /** From the host network of one node and from a pod of the other, as upstream asks. */
  const answers = async (service: V1Service, ...backends: readonly string[]): Promise<void> => {
    const { hostPods, pods } = stage();
    for (const client of [hostPods.a, pods.b]) await reaches(client, waysTo(service), ...backends);
  };

  /** Nothing translates its addresses: what is sent to them is lost in the network. */
  const isDown = async (service: V1Service): Promise<void> => {
    const { hostPods } = stage();
    const each = waysTo(service).flatMap((way) =>
      [hostPods.a, hostPods.b].map((client) => reaches(client, [way], "untranslated")),
    );
    await Promise.all(each);
  };

  const namesOf = ({ pods }: Deployment): readonly string[] => pods.map(({ name }) => name);

  const startServing = async (name: string, labels: Readonly<Record<string, string>> = {}) => {
    const { cluster } = stage();
    const spec = { selector: { app: name }, ports: [port], ipFamilyPolicy: "RequireDualStack" };
    const [service, deployment] = await Promise.all([
      cluster.api.createService(name, spec, { labels }),
      cluster.deployment(name, { replicas: 3, ports: [{ port: 8090 }] }),
    ]);
    const addresses = deployment.pods.flatMap(({ pod }) => [pod.ip4, pod.ip6]);
    await cluster.api.waitForReady(name, addresses);
    return { service, pods: namesOf(deployment) };
  };

  describe("labels that say to leave an object alone", () => {
    it("[sig-network] Services should implement service.kubernetes.io/service-proxy-name (KP-01)", async () => {
      const { api } = stage().cluster;
      const disabled = await startServing("proxy-disabled", { [proxyName]: "foo-bar" });
      const toggled = await startServing("proxy-toggled");
      const label = (value: string | null) =>
        api.patchService("proxy-toggled", { metadata: { labels: { [proxyName]: value } } });

      await answers(toggled.service, ...toggled.pods);
      await isDown(disabled.service);
      await label("foo-bar");
      await isDown(toggled.service);
      await label(null);
      await answers(toggled.service, ...toggled.pods);
      await isDown(disabled.service);
    });

    it("[sig-network] Services should implement service.kubernetes.io/headless (KP-01)", async () => {
      const { cluster } = stage();
      const ports = [{ name: "http", protocol: "TCP", port: 80 }];
      const [service, { pods }] = await Promise.all([
        cluster.api.createService("custom-endpoints", {
          ports,
          ipFamilyPolicy: "RequireDualStack",
        }),
        cluster.deployment("custom", { replicas: 1, ports: [{ port: 8090 }] }),
      ]);
      const [server] = pods;
      const slices = { IPv4: server?.pod.ip4, IPv6: server?.pod.ip6 };
      for (const [family, address] of Object.entries(slices)) await createSlice(family, address);
      await answers(service, "custom-0");
      for (const family of Object.keys(slices)) await labelSlice(family, "");
      await answers(service, "ECONNREFUSED");
      // Beyond upstream's: it comes back.
      for (const family of Object.keys(slices)) await labelSlice(family, null);
      await answers(service, "custom-0");
    });
  });

  const namespace = "default";
  const sliceName = (family: string): string => `custom-endpoints-${family.toLowerCase()}`;

  /** A slice that no controller keeps, of one endpoint. */
  const createSlice = (addressType: string, address = "") =>
    stage().cluster.api.discovery.createNamespacedEndpointSlice({
      namespace,
      body: {
        metadata: {
          name: sliceName(addressType),
          labels: {
            "kubernetes.io/service-name": "custom-endpoints",
            "endpointslice.kubernetes.io/managed-by": "e2e-test",
          },
        },
        addressType,
        ports: [{ name: "http", protocol: "TCP", port: 8090 }],
        endpoints: [{ addresses: [address], conditions: { ready: true } }],
      },
    });

  const labelSlice = (family: string, value: string | null) =>
    stage().cluster.api.discovery.patchNamespacedEndpointSlice(
      { namespace, name: sliceName(family), body: { metadata: { labels: { [headless]: value } } } },
      setHeaderOptions("Content-Type", PatchStrategy.MergePatch),
    );
};
