import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Child } from "../harness/child.ts";
import { ownPrefix, sweep } from "../harness/leftovers.ts";
import { Api } from "./api.ts";
import { Component } from "./component.ts";
import {
  admin,
  type Credentials,
  kubeconfigText,
  kubeProxy,
  type User,
  writeCredentials,
} from "./credentials.ts";
import { EtcdClient } from "./etcd.ts";
import { apiServerFlags, controllerManagerFlags, etcdFlags } from "./flags.ts";
import { Gate, loopback } from "./gate.ts";
import { freePort } from "./ports.ts";
import { isReady } from "./readiness.ts";

export interface ControlPlaneOptions {
  /** Users besides `admin` and `system:kube-proxy`. */
  readonly users?: readonly User[];
  /** More flags of kube-apiserver; a later one wins over an earlier of the same name. */
  readonly apiServerFlags?: readonly string[];
}

interface Parts {
  readonly folder: string;
  readonly port: number;
  readonly credentials: Credentials;
  readonly etcd: Component;
  readonly etcdClient: EtcdClient;
  readonly apiServer: Component;
}

/**
 * A real control plane on 127.0.0.1: etcd, kube-apiserver with RBAC, and the controllers that write
 * EndpointSlices. Dual stack, Services in 10.96.0.0/16 and fd00:96::/112. Several run at once. It
 * ends with this process, and needs no root.
 */
export class ControlPlane implements AsyncDisposable {
  /** Path of the admin's kubeconfig. */
  readonly kubeconfig: string;
  readonly url: string;
  readonly api: Api;
  /** Data, logs (NAME.log), certificates; removed at the end. */
  readonly folder: string;
  readonly #parts: Parts;
  readonly #controllers: Component;
  readonly #gates: Gate[] = [];
  readonly #relays: Child[] = [];
  #socket: Promise<Gate> | undefined;

  private constructor(parts: Parts, kubeconfig: string) {
    this.#parts = parts;
    this.folder = parts.folder;
    this.url = `https://127.0.0.1:${parts.port}`;
    this.kubeconfig = kubeconfig;
    this.api = new Api(kubeconfig);
    this.#controllers = new Component(
      "kube-controller-manager",
      parts.folder,
      controllerManagerFlags(kubeconfig),
    );
  }

  static async start(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
    await sweep();
    const folder = await mkdtemp(join(tmpdir(), `${ownPrefix}controlplane-`));
    const parts = await prepare(folder, options);
    try {
      await parts.etcd.start(() => parts.etcdClient.isHealthy());
      return await ControlPlane.#begin(parts);
    } catch (error) {
      await parts.apiServer.stop();
      await parts.etcd.stop();
      throw error;
    }
  }

  static async #begin(parts: Parts): Promise<ControlPlane> {
    const kubeconfig = join(parts.folder, "admin.kubeconfig");
    await writeKubeconfig(parts, kubeconfig, admin.name);
    await startApiServer(parts);
    const controlPlane = new ControlPlane(parts, kubeconfig);
    await controlPlane.#controllers.start(async () => true);
    return controlPlane;
  }

  /** The last lines of a component's log, for a test's failure. */
  async tail(component: "apiserver" | "controllers" | "etcd"): Promise<string> {
    const { apiServer, etcd } = this.#parts;
    return await { apiserver: apiServer, controllers: this.#controllers, etcd }[component].tail();
  }

  /** Writes a kubeconfig of a user named at the start; `server` may be a gate's URL. */
  async kubeconfigFor(user: string, server = this.url): Promise<string> {
    const place = server.replace(/\W+/g, "-");
    const path = join(this.folder, `${user.replaceAll(":", "-")}-${place}.kubeconfig`);
    await writeKubeconfig(this.#parts, path, user, server);
    return path;
  }

  /** A way to the API server that the test can shut. */
  async gate(): Promise<Gate> {
    const gate = await Gate.before(loopback(this.#parts.port));
    this.#gates.push(gate);
    return gate;
  }

  /**
   * Makes the API server reachable inside a node's network, at the same URL, so that the same
   * kubeconfigs work there.
   */
  async exposeTo(node: { start(command: string, args: readonly string[]): Child }): Promise<void> {
    const path = join(this.folder, "api.sock");
    this.#socket ??= Gate.before(loopback(this.#parts.port), { path });
    await this.#socket;
    const relay = join(import.meta.dirname, "relay.ts");
    const child = node.start(process.execPath, [relay, path, `${this.#parts.port}`]);
    await child.printed("ready");
    this.#relays.push(child);
  }

  /** Ends kube-apiserver: SIGKILL as in a crash, or SIGTERM for an orderly end. */
  async stopApiServer(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    await this.#parts.apiServer.stop(signal);
  }

  /** Starts it again on the same port and data; resolves once it is ready. */
  async startApiServer(): Promise<void> {
    await startApiServer(this.#parts);
  }

  async restartApiServer(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    await this.stopApiServer(signal);
    await this.startApiServer();
  }

  /**
   * Makes every resourceVersion of before unusable: a watch resumed from one, and a list continued
   * from one, answer 410. The API server is restarted for it: its watch cache would go on serving
   * what etcd has forgotten.
   */
  async expireWatches(): Promise<void> {
    await this.stopApiServer();
    await this.#parts.etcdClient.compact(await this.#parts.etcdClient.revision());
    await this.startApiServer();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const relay of this.#relays) await relay[Symbol.asyncDispose]();
    for (const gate of this.#gates) await gate[Symbol.asyncDispose]();
    await (await this.#socket)?.[Symbol.asyncDispose]();
    await this.#controllers.stop();
    await this.#parts.apiServer.stop();
    await this.#parts.etcd.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function prepare(folder: string, options: ControlPlaneOptions): Promise<Parts> {
  const users = [admin, kubeProxy, ...(options.users ?? [])];
  const credentials = await writeCredentials(folder, users);
  const [port, clientPort, peerPort] = [await freePort(), await freePort(), await freePort()];
  const etcdUrl = `http://127.0.0.1:${clientPort}`;
  const etcd = new Component("etcd", folder, etcdFlags(folder, etcdUrl, peerPort));
  const flags = [
    ...apiServerFlags(folder, port, etcdUrl, credentials),
    ...(options.apiServerFlags ?? []),
  ];
  const apiServer = new Component("kube-apiserver", folder, flags);
  return { folder, port, credentials, etcd, etcdClient: new EtcdClient(etcdUrl), apiServer };
}

async function startApiServer({ apiServer, port, folder }: Parts): Promise<void> {
  const certificate = join(folder, "certificates", "apiserver.crt");
  await apiServer.start(() => isReady(port, certificate));
}

const writeKubeconfig = async (
  parts: Parts,
  path: string,
  user: string,
  server = `https://127.0.0.1:${parts.port}`,
): Promise<void> => {
  const token = parts.credentials.tokens.get(user);
  if (token === undefined) throw new Error(`no user ${user}: name it in the options' users`);
  const certificateAuthority = join(parts.folder, "certificates", "apiserver.crt");
  await writeFile(path, kubeconfigText({ server, certificateAuthority, user, token }));
};
