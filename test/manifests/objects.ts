import { readFileSync } from "node:fs";
import { join } from "node:path";
import type {
  KubernetesObject,
  V1ClusterRole,
  V1ConfigMap,
  V1Container,
  V1DaemonSet,
  V1PodSpec,
} from "@kubernetes/client-node";
import { parse } from "yaml";

export const root = join(import.meta.dirname, "../..");

/** One object of the manifests, and its YAML as it stands in the file. */
export interface Manifest {
  readonly text: string;
  readonly object: KubernetesObject;
}

export const kustomization: { readonly resources: readonly string[] } = parse(
  read("manifests/kustomization.yaml"),
);

/** What `kubectl apply -k manifests` applies, in its order. */
export const manifests: readonly Manifest[] = kustomization.resources.flatMap((file) =>
  read(`manifests/${file}`)
    .split(/^---$/m)
    .map((text) => ({ text, object: parse(text) })),
);

export function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

function objectOf<T extends KubernetesObject>(kind: string): T {
  const found = manifests.find(({ object }) => object.kind === kind);
  if (found === undefined) throw new Error(`the manifests have no ${kind}`);
  return found.object as T;
}

export const clusterRole = objectOf<V1ClusterRole>("ClusterRole");
export const configMap = objectOf<V1ConfigMap>("ConfigMap");
export const daemonSet = objectOf<V1DaemonSet>("DaemonSet");
export const podSpec: V1PodSpec = daemonSet.spec!.template.spec!;
export const container: V1Container = podSpec.containers[0]!;
