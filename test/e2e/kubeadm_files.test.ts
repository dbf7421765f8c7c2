import {
  copyFile,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RbacAuthorizationV1Api } from "@kubernetes/client-node";
import { BpfMap, isBpffs, mountBpffs } from "libbpf-ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { primaryIn } from "../../agent/datapath/node_settings.ts";
import { pinsAt } from "../../agent/datapath/pins.ts";
import { SettingsArray } from "../../bpf/build/layout.ts";
import { certificateOf } from "../controlplane/flags.ts";
import { TestAgent } from "../harness/agent.ts";
import type { Child } from "../harness/child.ts";
import { Cluster } from "../harness/cluster.ts";
import { bpffs, ownPrefix } from "../harness/leftovers.ts";
import { until } from "../harness/until.ts";

const main = join(import.meta.dirname, "../../agent/main.ts");
const kubeadm = join(import.meta.dirname, "../cli/kubeadm");

/** Puts kubeadm's ConfigMap and ServiceAccount where kubelet does, for this process alone. */
const mounted = `set -e
mount -t tmpfs none /run
mkdir -p /run/secrets/kubernetes.io
cp -r "$1/serviceaccount" /run/secrets/kubernetes.io/serviceaccount
mount -t tmpfs none /var/lib
mkdir /var/lib/kube-proxy
mount --bind "$1/kube-proxy" /var/lib/kube-proxy
shift
exec "$@"`;

let cluster: Cluster;
let folder: string;
let agent: TestAgent;
let child: Child;

beforeAll(async () => {
  cluster = await Cluster.start();
  folder = await mkdtemp(join(tmpdir(), `${ownPrefix}kubeadm-`));
  const node = await cluster.addNode("a");
  if (!isBpffs(bpffs)) mountBpffs(bpffs);
  await cluster.controlPlane.exposeTo(node);
  await writeServiceAccount();
  await mkdir(join(folder, "kube-proxy"));
  await mountConfigMap("..1", await readFile(join(kubeadm, "config.conf"), "utf8"));
  for (const key of ["config.conf", "kubeconfig.conf"]) {
    await symlink(`..data/${key}`, join(folder, "kube-proxy", key));
  }
  agent = await TestAgent.prepare({
    node,
    source: { folder },
    flags: [
      "--source=kubernetes",
      "--config=/var/lib/kube-proxy/config.conf",
      "--hostname-override=a",
    ],
    command: ["unshare", "--mount", "sh", "-c", mounted, "sh", folder, process.execPath, main],
    env: { KUBECONFIG: undefined },
  });
});
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** kubeadm's ServiceAccount with its role, and what kubelet mounts of it into a pod. */
async function writeServiceAccount(): Promise<void> {
  const { api, controlPlane } = cluster;
  const metadata = { namespace: "kube-system", name: "kube-proxy" };
  await api.core.createNamespacedServiceAccount({ namespace: "kube-system", body: { metadata } });
  await api.config.makeApiClient(RbacAuthorizationV1Api).createClusterRoleBinding({
    body: {
      metadata: { name: "kubeadm:node-proxier" },
      roleRef: {
        apiGroup: "rbac.authorization.k8s.io",
        kind: "ClusterRole",
        name: "system:node-proxier",
      },
      subjects: [{ kind: "ServiceAccount", ...metadata }],
    },
  });
  const { status } = await api.core.createNamespacedServiceAccountToken({
    ...metadata,
    body: { spec: { audiences: ["https://kubernetes.default.svc.cluster.local"] } },
  });
  const secrets = join(folder, "serviceaccount");
  await mkdir(secrets);
  await writeFile(join(secrets, "token"), status?.token ?? "", { mode: 0o600 });
  await copyFile(certificateOf(controlPlane.folder, "apiserver"), join(secrets, "ca.crt"));
}

/** As kubelet mounts a ConfigMap's next version: by a link that is swapped. */
async function mountConfigMap(version: string, configConf: string): Promise<void> {
  const at = (name: string) => join(folder, "kube-proxy", name);
  const kubeconfig = await readFile(join(kubeadm, "kubeconfig.conf"), "utf8");
  await mkdir(at(version));
  await writeFile(join(at(version), "config.conf"), configConf);
  await writeFile(
    join(at(version), "kubeconfig.conf"),
    kubeconfig.replace("https://10.0.0.10:6443", cluster.controlPlane.url),
  );
  await symlink(version, at("..data_tmp"));
  await rename(at("..data_tmp"), at("..data"));
}

const messages = (): readonly string[] =>
  child.stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line).message);

describe("an agent with the files of kubeadm's kube-proxy", () => {
  it("serves, unchanged as they are (KP-50, KP-51)", async () => {
    child = agent.launch();
    await until(async () => child.exit !== undefined || (await agent.status()).sync.ready, {
      deadlineMs: 30_000,
      describe: () => `the agent to be ready; it said: ${child.stderr}`,
    });
    const { node, source } = await agent.status();
    expect(node.name).toBe("a");
    expect(source.kind).toBe("kubernetes");
    const resources = source.resources.map(({ resource, error }) => [resource, error]);
    expect(resources).toContainEqual(["services", null]);
    expect(resources.filter(([, error]) => error !== null)).toEqual([]);
    expect(messages().filter((message) => message.startsWith("/var/lib"))).toEqual([
      "/var/lib/kube-proxy/config.conf: clusterCIDR changes nothing here: pods need not be told from others: nothing is masqueraded for where it comes from inside the cluster",
      "/var/lib/kube-proxy/config.conf: NodePorts answer at all,localhost, as in mode iptables without nodePortAddresses",
    ]);
  });

  it("ends to be started again when the ConfigMap has changed, and leaves all at work (KP-52)", async () => {
    const text = await readFile(join(kubeadm, "config.conf"), "utf8");
    const changed = text.replace("bindAddress: 0.0.0.0", "bindAddress: 192.0.2.7");
    await mountConfigMap("..2", changed.replace('mode: ""', "mode: nftables"));
    expect(await child.exited).toEqual({ code: 1, signal: null });
    expect(messages()).toContain("ending, to be started with what the configuration file says now");
    await agent.begin();
    expect(agent.log).toContain("as in mode nftables without nodePortAddresses");
    expect(agent.log).toContain('"adopted":true');
  });

  it("goes by bindAddress for the node's own address, and by the Node for the other family's (KP-05)", async () => {
    using pinned = BpfMap.openPinned(pinsAt(agent.pinPath).map("settings"));
    const settings = new SettingsArray(pinned.mmap());
    const primary = ["192.0.2.7", cluster.nodes[0]!.ip6];
    await until(() => primaryIn(settings).join() === primary.join(), {
      deadlineMs: 10_000,
      describe: () => `${primary} to be the node's own; they are ${primaryIn(settings)}`,
    });
  });
});
