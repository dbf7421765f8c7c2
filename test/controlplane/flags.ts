import { join } from "node:path";
import type { Credentials } from "./credentials.ts";

const certificates = (folder: string): string => join(folder, "certificates");

/** Where a component writes the certificate that it signs for itself. */
export const certificateOf = (
  folder: string,
  component: "apiserver" | "kube-controller-manager",
): string => join(certificates(folder), `${component}.crt`);

export const etcdFlags = (folder: string, clientUrl: string, peerPort: number): string[] => {
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  return [
    `--data-dir=${join(folder, "etcd")}`,
    `--listen-client-urls=${clientUrl}`,
    `--advertise-client-urls=${clientUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
    // The data need to survive a process, not the machine.
    "--unsafe-no-fsync",
    "--log-level=warn",
  ];
};

export const apiServerFlags = (
  folder: string,
  port: number,
  etcdUrl: string,
  credentials: Credentials,
): string[] => [
  `--etcd-servers=${etcdUrl}`,
  // Tests compact by hand, at a moment of their choice.
  "--etcd-compaction-interval=0",
  `--secure-port=${port}`,
  "--bind-address=127.0.0.1",
  // Becomes the endpoint of the Service default/kubernetes, where a loopback address is refused.
  "--advertise-address=192.0.2.1",
  `--cert-dir=${certificates(folder)}`,
  "--service-cluster-ip-range=10.96.0.0/16,fd00:96::/112",
  "--authorization-mode=RBAC",
  `--token-auth-file=${credentials.tokenFile}`,
  "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
  `--service-account-key-file=${credentials.serviceAccountPublicKey}`,
  `--service-account-signing-key-file=${credentials.serviceAccountKey}`,
  // Pods are created without waiting for the account that no kubelet would mount.
  "--disable-admission-plugins=ServiceAccount",
  "--shutdown-delay-duration=0s",
];

export const controllerManagerFlags = (
  folder: string,
  port: number,
  kubeconfig: string,
): string[] => [
  `--kubeconfig=${kubeconfig}`,
  "--controllers=endpointslice-controller,endpointslice-mirroring-controller,namespace-controller",
  "--leader-elect=false",
  `--secure-port=${port}`,
  "--bind-address=127.0.0.1",
  `--cert-dir=${certificates(folder)}`,
  "--concurrent-service-endpoint-syncs=10",
  // The defaults would slow the controllers down to 20 writes a second.
  "--kube-api-qps=1000",
  "--kube-api-burst=2000",
];
