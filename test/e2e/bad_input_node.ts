import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Child } from "../harness/child.ts";
import { ownPrefix } from "../harness/leftovers.ts";
import { attempt } from "../harness/load.ts";
import { Network } from "../harness/network.ts";
import type { TestNode } from "../harness/node.ts";
import type { TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";
import { fileOf, serviceYaml, sliceYaml } from "./bad_input_manifest.ts";

/** A node with a client and the one pod that stands behind every Service: "web". */
export class BadInputNode implements AsyncDisposable {
  readonly node: TestNode;
  readonly client: TestPod;
  readonly web: TestPod;
  readonly #network: Network;
  readonly #folders: string[] = [];

  private constructor(network: Network, node: TestNode, client: TestPod, web: TestPod) {
    this.#network = network;
    this.node = node;
    this.client = client;
    this.web = web;
  }

  static async create(): Promise<BadInputNode> {
    const network = await Network.create();
    const node = await network.makeNode("a");
    const client = await node.makePod("client");
    const web = await node.makePod("web");
    await web.serve({ tcp: [8080] });
    return new BadInputNode(network, node, client, web);
  }

  async folderOf(files: Readonly<Record<string, string>>): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), `${ownPrefix}bad-`));
    this.#folders.push(folder);
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    return folder;
  }

  /** A Service of one endpoint, with nothing wrong. */
  right(name: string, clusterIP: string): string {
    return fileOf(serviceYaml({ name, clusterIP }), sliceYaml(name, [this.web.ip4]));
  }

  /** Who answers the client there, or the errno. */
  async ask(address: string): Promise<string> {
    const [outcome] = await attempt(this.client, { protocol: "tcp", address, port: 80 });
    return outcome?.ok ? outcome.backend : (outcome?.errno ?? "nothing");
  }

  /** The HTTP status of a probe of the node's agent. */
  async probe(name: "livez" | "healthz"): Promise<number> {
    const script = `console.log((await fetch("http://127.0.0.1:10256/${name}")).status)`;
    const flags = ["--input-type=module", "-e", script];
    const { stdout } = await this.node.run(process.execPath, flags);
    return Number(stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#network[Symbol.asyncDispose]();
    for (const folder of this.#folders) await rm(folder, { recursive: true, force: true });
  }
}

/** Resolves once the agent has logged the text. */
export async function said(agent: Child, text: string): Promise<void> {
  await until(() => agent.stderr.includes(text), {
    deadlineMs: 10_000,
    describe: () => `the agent to say "${text}"; it said: ${agent.stderr}`,
  });
}

/** The messages of what the agent logged as errors. */
export const errorsOf = ({ stderr }: Child): readonly string[] =>
  stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as { level: string; error?: { message: string } })
    .flatMap(({ level, error }) => (level === "error" ? [error?.message ?? "no error"] : []));
