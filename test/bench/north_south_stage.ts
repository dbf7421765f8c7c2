import { join } from "node:path";
import { TestAgent } from "../harness/agent.ts";
import { finish } from "../harness/child.ts";
import { startKubeProxy } from "../harness/kube_proxy.ts";
import { ownPrefix, removeMade } from "../harness/leftovers.ts";
import { makeNetns } from "../harness/netns.ts";
import { startIn } from "../harness/place.ts";
import { until } from "../harness/until.ts";
import { CLIENT_CPU, NorthSouthNode, type Targets } from "./north_south_node.ts";

const prefix = `${ownPrefix}ns-`;
const client = `${prefix}client`;
export const traffic = join(import.meta.dirname, "build/traffic");

/** What stands between the client and the pod of a node. */
export type Translation = "none" | "nftables" | "iptables" | "sluice" | "sluice-stack";

interface Side {
  readonly translation: Translation;
  readonly node: NorthSouthNode;
  readonly targets: Targets;
}

/** A client with one node for each translation, side by side on one kernel. */
export class NorthSouthStage implements AsyncDisposable {
  readonly folder: string;
  readonly #sides = new Map<Translation, Side>();
  readonly #agents = new Map<Translation, TestAgent>();

  constructor(folder: string) {
    this.folder = folder;
  }

  async build(translations: readonly Translation[]): Promise<void> {
    await makeNetns(client);
    for (const [i, translation] of translations.entries()) {
      const id = `${prefix}${translation}`;
      const node = await NorthSouthNode.create(translation, id, i + 1, client, this.folder);
      await node.serve(traffic);
      await this.#translate(node, translation);
      const targets =
        translation === "none"
          ? await node.podTargets(this.folder)
          : await node.nodePortTargets(this.folder);
      this.#sides.set(translation, { translation, node, targets });
    }
    for (const side of this.#sides.values()) await this.#answers(side);
  }

  async #translate(node: NorthSouthNode, translation: Translation): Promise<void> {
    switch (translation) {
      case "none":
        return;
      case "nftables":
      case "iptables":
        await startKubeProxy(node, node, translation);
        return;
      case "sluice":
      case "sluice-stack": {
        const flags = translation === "sluice" ? [] : ["--fast-path=off"];
        const agent = await TestAgent.start({ node, source: { controlPlane: node }, flags });
        this.#agents.set(translation, agent);
      }
    }
  }

  /** Nobody is measured before everybody is up. */
  async #answers({ translation, targets }: Side): Promise<void> {
    let said = "";
    const attempt = async (mode: string, file: string): Promise<boolean> => {
      const child = this.client(mode, 1, 2, [file]);
      const { code, stderr } = await finish(child, 2_000);
      said = stderr;
      return code === 0;
    };
    await until(
      async () => (await attempt("crr", targets.one)) && (await attempt("packets", targets.sink)),
      {
        deadlineMs: 60_000,
        describe: () => `${translation} to answer at its NodePorts; the client said: ${said}`,
      },
    );
  }

  /** The file that says what a side speaks to. */
  targets(translation: Translation, kind: keyof Targets): string {
    const side = this.#sides.get(translation);
    if (side === undefined) throw new Error(`${translation} was not built`);
    return side.targets[kind];
  }

  /** Whether netfilter tracks connections, by node. */
  async conntrack(): Promise<readonly string[]> {
    const said: string[] = [];
    for (const { translation, node } of this.#sides.values()) {
      const entries = await node.conntrackEntries();
      said.push(`${translation} ${entries > 0 ? `on (${entries} entries)` : "off"}`);
    }
    return said;
  }

  /** How each agent sends packets to its devices. */
  async paths(): Promise<readonly string[]> {
    const said: string[] = [];
    for (const [translation, agent] of this.#agents) {
      const { devices } = (await agent.status()).datapath;
      said.push(`${translation}: ${devices.map(({ name, path }) => `${name} ${path}`).join(", ")}`);
    }
    return said;
  }

  /** Starts the client on sides that these files name. */
  client(mode: string, rounds: number, operations: number, files: readonly string[]) {
    const args = ["client", `${CLIENT_CPU}`, mode, `${rounds}`, `${operations}`];
    return startIn({ netns: client }, traffic, [...args, ...files.flatMap((file) => ["", file])]);
  }

  /** Ends every process that was started and removes all that was made. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents.values()) await agent[Symbol.asyncDispose]();
    await removeMade((name) => name.startsWith(prefix));
  }
}
