import { existsSync, readFileSync } from "node:fs";
import type { RequestOptions } from "node:https";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import type { KubeConfig } from "@kubernetes/client-node/dist/config.js";
import { parse } from "yaml";
import { fieldsOf, itemsOf, textOf } from "../parse/fields.ts";

export interface AccessOptions {
  /** Path of a kubeconfig file. Absent: $KUBECONFIG, then the pod's ServiceAccount, then ~/.kube/config. */
  readonly kubeconfig?: string | undefined;
  /** URL that takes the place of the configured one; alone it is enough for an open server. */
  readonly server?: string | undefined;
}

/** Where the API server is and what a request to it has to carry. */
export interface Access {
  readonly server: URL;
  /** Headers and TLS options, read anew for each request: tokens and certificates are rotated. */
  requestOptions(): Promise<RequestOptions>;
}

const tokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/** Throws, with what mends it in the message, where no usable configuration is found. */
export async function loadAccess(options: AccessOptions): Promise<Access> {
  // Loaded when first needed: it costs tens of megabytes, which the directory source never needs.
  const { KubeConfig } = await import("@kubernetes/client-node/dist/config.js");
  const config = new KubeConfig();
  load(config, options);
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error("the kubeconfig names no cluster by its current-context");
  const server = new URL(options.server ?? cluster.server);
  // Without TLS there is nothing to verify; client-node insists on hearing so.
  const skipTLSVerify = cluster.skipTLSVerify || server.protocol === "http:";
  config.clusters = [{ ...cluster, server: server.href, skipTLSVerify }];
  const isProxied = cluster.proxyUrl !== undefined;
  return { server, requestOptions: () => requestOptions(config, isProxied) };
}

function load(config: KubeConfig, { kubeconfig, server }: AccessOptions): void {
  const standard = join(homedir(), ".kube", "config");
  const listed = kubeconfig ?? process.env.KUBECONFIG?.split(delimiter).find((path) => path !== "");
  if (listed !== undefined) loadFile(config, listed);
  else if (process.env.KUBERNETES_SERVICE_HOST !== undefined && existsSync(tokenFile)) {
    config.loadFromCluster();
  } else if (server !== undefined) {
    config.loadFromClusterAndUser(
      { name: "given", server, skipTLSVerify: false },
      { name: "none" },
    );
  } else if (existsSync(standard)) loadFile(config, standard);
  else throw new Error("no cluster is configured: give --kubeconfig or --server, or run in a pod");
}

function loadFile(config: KubeConfig, file: string): void {
  const text = readFileSync(file, "utf8");
  config.loadFromString(text);
  config.makePathsAbsolute(dirname(file));
  for (const entry of itemsOf(fieldsOf(parse(text)).users)) {
    const { name, user } = fieldsOf(entry);
    const found = config.users.findIndex((known) => known.name === name);
    const known = config.users[found];
    if (known === undefined) continue;
    // client-node 2.0 overlooks `tokenFile`, which kubeadm's kubeconfig for a proxy has (KP-51).
    const tokenFile = textOf(fieldsOf(user).tokenFile);
    if (tokenFile !== undefined) {
      const path = resolve(dirname(file), tokenFile);
      const authProvider = { name: "tokenFile", config: { tokenFile: path } };
      config.users[found] = { ...known, authProvider };
    } else if (known.exec !== undefined && known.exec !== null) withExecInfo(known.exec);
  }
}

/** What the client authentication API promises to a credential plugin and client-node leaves out. */
function withExecInfo(exec: {
  apiVersion?: string;
  env?: { name: string; value: string }[];
}): void {
  const { apiVersion = "client.authentication.k8s.io/v1" } = exec;
  const info = { apiVersion, kind: "ExecCredential", spec: { interactive: false } };
  exec.env = [...(exec.env ?? []), { name: "KUBERNETES_EXEC_INFO", value: JSON.stringify(info) }];
}

async function requestOptions(config: KubeConfig, isProxied: boolean): Promise<RequestOptions> {
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  // client-node's agent keeps the first certificate for ever; ours takes it from each request.
  if (!isProxied) delete options.agent;
  const headers = { ...options.headers } as Record<string, string>;
  // A token file may end in a newline, which no header may.
  if (headers.Authorization !== undefined) headers.Authorization = headers.Authorization.trim();
  return { ...options, headers };
}
