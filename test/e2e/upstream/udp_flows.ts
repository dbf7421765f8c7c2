import { type Attempt, type Load, type Site, startLoad, type Target } from "../../harness/load.ts";
import { until } from "../../harness/until.ts";
import { movesTo } from "../kept_load.ts";

/** Of upstream's client. */
const sourcePort = 12_345;
const pace = { gapUs: 20_000, timeoutMs: 200 };

/**
 * A client that never stops to ask over UDP. As upstream's does: with a new socket each time, always
 * from one port, so that all its datagrams are of one flow. Beside it one connected socket and one
 * unconnected one, that are kept for as long as they work.
 */
export class UdpFlows implements AsyncDisposable {
  readonly #loads: readonly Load[];

  private constructor(loads: readonly Load[]) {
    this.#loads = loads;
  }

  static async start(from: Site, ways: readonly Target[]): Promise<UdpFlows> {
    const kinds = [{ sourcePort }, { keep: true }, { keep: true, unconnected: true }];
    const started = ways.flatMap((way) =>
      kinds.map((kind) => startLoad(from, way, { ...pace, ...kind })),
    );
    return new UdpFlows(await Promise.all(started));
  }

  /** Resolves once each flow has made another attempt; gives all that they made by then. */
  async goOn(): Promise<readonly Attempt[]> {
    const made = this.#loads.map(({ attempts }) => attempts.length);
    await until(() => this.#loads.every(({ attempts }, at) => attempts.length > (made[at] ?? 0)), {
      deadlineMs: 20_000,
      describe: "another datagram of each flow",
    });
    return this.#loads.flatMap(({ attempts }) => attempts);
  }

  /** Resolves once this pod answers each flow. */
  async moveTo(backend: string): Promise<void> {
    for (const load of this.#loads) await movesTo(load, backend);
  }

  /** Names of all that answered. */
  get backends(): ReadonlySet<string> {
    const attempts = this.#loads.flatMap((load) => load.attempts);
    return new Set(attempts.flatMap((each) => (each.ok ? [each.backend] : [])));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#loads.map((load) => load.stop()));
  }
}
