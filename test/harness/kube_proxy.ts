import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findBinary } from "../controlplane/binaries.ts";
import type { ControlPlane } from "../controlplane/controlplane.ts";
import type { Child } from "./child.ts";
import type { TestNode } from "./node.ts";

export type KubeProxyMode = "iptables" | "nftables";

const settings = (kubeconfig: string, node: Pick<TestNode, "name">, mode: KubeProxyMode) => ({
  apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
  kind: "KubeProxyConfiguration",
  clientConnection: { kubeconfig },
  clusterCIDR: "10.244.0.0/16,fd00:10:244::/48",
  hostnameOverride: node.name,
  mode,
  // Every address is given: otherwise all nodes of one machine would claim the same ports.
  healthzBindAddress: "127.0.0.1:10256",
  metricsBindAddress: "127.0.0.1:10249",
  // The table's size is the machine's, not the namespace's.
  conntrack: { maxPerCore: 0, min: 0 },
});

/**
 * Starts the real kube-proxy inside a node's network: the oracle, and the peer of benchmarks.
 * `more` are further fields of its configuration.
 */
export async function startKubeProxy(
  controlPlane: Pick<ControlPlane, "exposeTo" | "kubeconfigFor" | "folder">,
  node: Pick<TestNode, "name" | "start">,
  mode: KubeProxyMode,
  more: Readonly<Record<string, unknown>> = {},
): Promise<Child> {
  await controlPlane.exposeTo(node);
  const kubeconfig = await controlPlane.kubeconfigFor("system:kube-proxy");
  const config = join(controlPlane.folder, `kube-proxy-${node.name}.json`);
  await writeFile(config, JSON.stringify({ ...settings(kubeconfig, node, mode), ...more }));
  const { path, args } = await findBinary("kube-proxy");
  return node.start(path, [...args, `--config=${config}`]);
}
