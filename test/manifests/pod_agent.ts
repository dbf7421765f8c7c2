import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isBpffs, mountBpffs } from "libbpf-ts";
import { certificateOf } from "../controlplane/flags.ts";
import { TestAgent } from "../harness/agent.ts";
import type { Cluster } from "../harness/cluster.ts";
import { bpffs } from "../harness/leftovers.ts";
import type { TestNode } from "../harness/node.ts";
import { container } from "./objects.ts";

/** Puts the ServiceAccount's files where kubelet does, for this process alone. */
const mounted = `set -e
mount -t tmpfs none /run
mkdir -p /run/secrets/kubernetes.io
cp -r "$1" /run/secrets/kubernetes.io/serviceaccount
shift
exec "$@"`;

/**
 * The agent as the DaemonSet's pod has it: the ServiceAccount's token, the container's capabilities,
 * a ClusterIP of the API server that nobody serves yet, and the address that is to be used instead.
 */
export async function preparePodAgent(cluster: Cluster, node: TestNode): Promise<TestAgent> {
  const { controlPlane } = cluster;
  // A mount that the agent made would be seen by nobody else.
  if (!isBpffs(bpffs)) mountBpffs(bpffs);
  await controlPlane.exposeTo(node);
  const secret = await serviceAccountFiles(cluster);
  const capabilities = container.securityContext!.capabilities!.add!;
  const bounding = ["-all", ...capabilities.map((name) => `+${name.toLowerCase()}`)].join();
  return await TestAgent.prepare({
    node,
    source: { folder: secret },
    flags: ["--source=kubernetes"],
    command: [
      "unshare",
      ...["--mount", "sh", "-c", mounted, "sh", secret],
      ...["setpriv", "--no-new-privs", `--bounding-set=${bounding}`, "--inh-caps=-all", "--"],
      ...[process.execPath, join(import.meta.dirname, "../../agent/main.ts")],
    ],
    env: {
      KUBECONFIG: undefined,
      KUBERNETES_SERVICE_HOST: "10.96.0.1",
      KUBERNETES_SERVICE_PORT: "443",
      SLUICE_SERVER: controlPlane.url,
    },
  });
}

/** What kubelet mounts into a pod, in a folder. */
async function serviceAccountFiles({ controlPlane, api }: Cluster): Promise<string> {
  const folder = join(controlPlane.folder, "serviceaccount");
  await mkdir(folder);
  const { status } = await api.core.createNamespacedServiceAccountToken({
    namespace: "kube-system",
    name: "sluice",
    body: { spec: { audiences: ["https://kubernetes.default.svc.cluster.local"] } },
  });
  await writeFile(join(folder, "token"), status?.token ?? "", { mode: 0o600 });
  await copyFile(certificateOf(controlPlane.folder, "apiserver"), join(folder, "ca.crt"));
  await writeFile(join(folder, "namespace"), "kube-system");
  return folder;
}
