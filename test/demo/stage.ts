import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestAgent } from "../harness/agent.ts";
import { ownPrefix } from "../harness/leftovers.ts";
import type { Site, Target } from "../harness/load.ts";
import { Network } from "../harness/network.ts";
import type { TestNode } from "../harness/node.ts";
import type { TestPod } from "../harness/pod.ts";
import { podPort, servicePort, serviceYaml, sliceYaml } from "./manifest.ts";

/** The Service that three pods stand behind. */
export const web = { name: "web", clusterIPs: ["10.96.0.80", "fd00:10:96::80"] } as const;
/** The one that nobody stands behind. */
export const idle = { name: "idle", clusterIPs: ["10.96.0.81", "fd00:10:96::81"] } as const;

export const protocols = ["tcp", "udp"] as const;
const sluice = join(import.meta.dirname, "../../agent/bin/sluice.js");

/** All that the demo plays on: a node with its pods, the folder, and later the agent. */
export class Stage implements AsyncDisposable {
  /** Where requests come from. Starts nothing more once the demo is interrupted. */
  readonly client: Site & Pick<TestPod, "name" | "ip4" | "ip6">;
  readonly backends: readonly TestPod[];
  readonly folder: string;
  readonly webFile: string;
  readonly #network: Network;
  readonly #node: TestNode;
  #agent: TestAgent | undefined;

  private constructor(
    network: Network,
    node: TestNode,
    client: Stage["client"],
    backends: readonly TestPod[],
    folder: string,
  ) {
    this.#network = network;
    this.#node = node;
    this.client = client;
    this.backends = backends;
    this.folder = folder;
    this.webFile = join(folder, "web.yaml");
  }

  static async set(interrupted: AbortSignal): Promise<Stage> {
    const network = await Network.create();
    try {
      const node = await network.makeNode("node");
      const client = interruptible(await node.makePod("client"), interrupted);
      const backends = [];
      for (const name of ["web-1", "web-2", "web-3"]) {
        const pod = await node.makePod(name);
        await pod.serve({ tcp: [podPort], udp: [podPort] });
        backends.push(pod);
      }
      const folder = await mkdtemp(join(tmpdir(), `${ownPrefix}demo-`));
      return new Stage(network, node, client, backends, folder);
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  async writeServices(): Promise<void> {
    const slices = [
      sliceYaml("web", "IPv4", this.backends),
      sliceYaml("web", "IPv6", this.backends),
    ];
    await writeFile(this.webFile, [serviceYaml(web), ...slices].join("---\n"));
    await writeFile(join(this.folder, "idle.yaml"), serviceYaml(idle));
  }

  /** Saves a change as editors do: all of it, by one rename. */
  async editWeb(change: (yaml: string) => string): Promise<void> {
    const draft = join(this.folder, ".web.yaml");
    await writeFile(draft, change(await readFile(this.webFile, "utf8")));
    await rename(draft, this.webFile);
  }

  async startAgent(): Promise<TestAgent> {
    this.#agent = await TestAgent.start({
      node: this.#node,
      source: { folder: this.folder },
      command: [process.execPath, sluice],
    });
    return this.#agent;
  }

  get agent(): TestAgent {
    if (this.#agent === undefined) throw new Error("the agent was not started");
    return this.#agent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent?.[Symbol.asyncDispose]();
    await this.#network[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function interruptible(pod: TestPod, interrupted: AbortSignal): Stage["client"] {
  const { name, ip4, ip6 } = pod;
  const start: Site["start"] = (command, args) => {
    interrupted.throwIfAborted();
    return pod.start(command, args);
  };
  return { name, ip4, ip6, start };
}

/** A Service's address in each family with each protocol. */
export const targetsOf = ({ clusterIPs }: { readonly clusterIPs: readonly string[] }): Target[] =>
  clusterIPs.flatMap((address) =>
    protocols.map((protocol) => ({ protocol, address, port: servicePort })),
  );

/** The same place without a Service: the pod itself. */
export const directTo = (pod: TestPod, { protocol, address }: Target): Target => ({
  protocol,
  address: address.includes(":") ? pod.ip6 : pod.ip4,
  port: podPort,
});

export const addressText = ({ address, port }: Target): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
