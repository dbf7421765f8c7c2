import { join } from "node:path";
import type { Child } from "../harness/child.ts";
import type { TestClient } from "../harness/client.ts";
import { until } from "../harness/until.ts";

const script = join(import.meta.dirname, "../harness/balanced_client.ts");

export interface Request {
  readonly protocol: "tcp" | "udp";
  /** Undefined where the balancer knew none that was healthy. */
  readonly node?: string;
  /** Name of the pod that answered. */
  readonly backend?: string;
  readonly error?: string;
}

export interface BalancedLoadOptions {
  readonly healthCheckNodePort: number;
  readonly nodePort: number;
  /** Addresses of the nodes. */
  readonly nodes: readonly string[];
}

/** Requests from outside by way of a balancer that goes by the health of each node. */
export class BalancedLoad {
  readonly #child: Child;

  private constructor(child: Child) {
    this.#child = child;
  }

  /** Resolves once every node is healthy and has been asked. */
  static async start(from: TestClient, options: BalancedLoadOptions): Promise<BalancedLoad> {
    const { healthCheckNodePort, nodePort, nodes } = options;
    const args = [script, `${healthCheckNodePort}`, `${nodePort}`, ...nodes];
    const load = new BalancedLoad(from.start(process.execPath, args));
    await load.asks(...nodes);
    return load;
  }

  get requests(): readonly Request[] {
    return this.#child.lines.map((line) => JSON.parse(line) as Request);
  }

  get failures(): readonly Request[] {
    return this.requests.filter(({ error }) => error !== undefined);
  }

  /** Resolves once the last hundred requests went to these nodes and to no others. */
  async asks(...nodes: readonly string[]): Promise<void> {
    const wanted = nodes.toSorted().join();
    await this.#lastAre(({ node = "none" }) => node, wanted);
  }

  /** Resolves once the last hundred requests were answered by these pods and by no others. */
  async isAnsweredBy(...pods: readonly string[]): Promise<void> {
    await this.#lastAre(({ backend = "nobody" }) => backend, pods.toSorted().join());
  }

  async #lastAre(part: (request: Request) => string, wanted: string): Promise<void> {
    let last = "";
    await until(
      () => {
        const recent = this.#child.lines.slice(-100).map((line) => JSON.parse(line) as Request);
        last = [...new Set(recent.map(part))].toSorted().join();
        return recent.length === 100 && last === wanted;
      },
      {
        deadlineMs: 20_000,
        describe: () => `requests to be for ${wanted}; they are for ${last}; ${this.#child.stderr}`,
      },
    );
  }

  async stop(): Promise<void> {
    await this.#child.stop();
  }
}
