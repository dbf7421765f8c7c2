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
import { apiServerFlags, certificateOf, controllerManagerFlags, etcdFlags } from "./flags.ts";
import { Gate, loopback } from "./gate.ts";
import { freePorts } from "./ports.ts";
import { answersOk } from "./readiness.ts";

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
  readonly controllers: Component;
  readonly controllersPort: number;
}

/**
 * A real control plane on 127.0.0.1: etcd, kube-apiserver with RBAC, and the controllers that write
 * EndpointSlices. Dual stack, Services in 10.96.0.0/16 and fd00:96::/112. Several run at once. It
 * ends with this process.
 */
export class ControlPlane implements AsyncDisposable {
  /** Path of the admin's kubeconfig. */
  readonly kubeconfig: string;
  readonly url: string;
  readonly api: Api;
  /** Data, logs (NAME.log), certificates; removed at the end. */
  readonly folder: string;
  readonly #parts: Parts;
  readonly #gates: Gate[] = [];
  readonly #relays: Child[] = [];
  #socket: Promise<Gate> | undefined;

  private constructor(parts: Parts, kubeconfig: string) {
    this.#parts = parts;
    this.folder = parts.folder;
    this.url = `https://127.0.0.1:${parts.port}`;
    this.kubeconfig = kubeconfig;
    this.api = new Api(kubeconfig);
  }

  static async start(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
    await sweep();
    const folder = await mkdtemp(join(tmpdir(), `${ownPrefix}controlplane-`));
    const parts = await prepare(folder, options);
    const kubeconfig = adminKubeconfig(folder);
    await writeKubeconfig(parts, kubeconfig, admin.name);
    try {
      await parts.etcd.start(() => parts.etcdClient.isHealthy());
      await startApiServer(parts);
      await startControllers(parts);
    } catch (error) {
      await stopAll(parts);
      throw error;
    }
    return new ControlPlane(parts, kubeconfig);
  }

  /** The last lines of a component's log, for a test's failure. */
  async tail(component: "apiserver" | "controllers" | "etcd"): Promise<string> {
    const { apiServer, controllers, etcd } = this.#parts;
    return await { apiserver: apiServer, controllers, etcd }[component].tail();
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

  /** Stops kube-apiserver where it stands until it is thawed: connections stay, and nothing comes. */
  freezeApiServer(): void {
    this.#parts.apiServer.freeze();
  }

  thawApiServer(): void {
    this.#parts.apiServer.thaw();
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
    await stopAll(this.#parts);
    await rm(this.folder, { recursive: true, force: true });
  }
}

const adminKubeconfig = (folder: string): string => join(folder, "admin.kubeconfig");

async function prepare(folder: string, options: ControlPlaneOptions): Promise<Parts> {
  const users = [admin, kubeProxy, ...(options.users ?? [])];
  const credentials = await writeCredentials(folder, users);
  const ports = await freePorts(4);
  const [port, controllersPort, clientPort, peerPort] = ports as [number, number, number, number];
  const etcdUrl = `http://127.0.0.1:${clientPort}`;
  const flags = {
    etcd: etcdFlags(folder, etcdUrl, peerPort),
    apiServer: apiServerFlags(folder, port, etcdUrl, credentials),
    controllers: controllerManagerFlags(folder, controllersPort, adminKubeconfig(folder)),
  };
  const moreFlags = options.apiServerFlags ?? [];
  return {
    folder,
    port,
    controllersPort,
    credentials,
    etcd: new Component("etcd", folder, flags.etcd),
    etcdClient: new EtcdClient(etcdUrl),
    apiServer: new Component("kube-apiserver", folder, [...flags.apiServer, ...moreFlags]),
    controllers: new Component("kube-controller-manager", folder, flags.controllers),
  };
}

const startApiServer = ({ apiServer, port, folder }: Parts): Promise<void> =>
  apiServer.start(() => answersOk(port, "/readyz", certificateOf(folder, "apiserver")));

const startControllers = ({ controllers, controllersPort, folder }: Parts): Promise<void> => {
  const certificate = certificateOf(folder, "kube-controller-manager");
  return controllers.start(() => answersOk(controllersPort, "/healthz", certificate));
};

async function stopAll({ controllers, apiServer, etcd }: Parts): Promise<void> {
  await controllers.stop();
  await apiServer.stop();
  await etcd.stop();
}

const writeKubeconfig = async (
  parts: Parts,
  path: string,
  user: string,
  server = `https://127.0.0.1:${parts.port}`,
): Promise<void> => {
  const token = parts.credentials.tokens.get(user);
  if (token === undefined) throw new Error(`no user ${user}: name it in the options' users`);
  const certificateAuthority = certificateOf(parts.folder, "apiserver");
  await writeFile(path, kubeconfigText({ server, certificateAuthority, user, token }));
};
