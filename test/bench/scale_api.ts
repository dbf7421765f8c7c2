import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

export type ScaleRequest =
  | { readonly kind: "first-request" }
  | {
      readonly kind: "change";
      readonly count: number;
      readonly pauseMs: number;
      readonly pinPath: string;
    };

export type ScaleReply =
  | { readonly kind: "ready"; readonly port: number; readonly bytes: number }
  /** Milliseconds since 1970; undefined: none came since the last time this was asked. */
  | { readonly kind: "first-request"; readonly at: number | undefined }
  | { readonly kind: "changed"; readonly endToEndMicroseconds: readonly number[] };

/** The process of `scale_server.ts`, so that what serving costs is not charged to the agent. */
export class ScaleApi implements Disposable {
  readonly #process: ChildProcess;
  readonly #failed: Promise<never>;
  #url = "";
  #bytes = 0;

  private constructor(services: number, nodeName: string) {
    const program = join(import.meta.dirname, "scale_server.ts");
    this.#process = fork(program, [`${services}`, nodeName]);
    this.#failed = once(this.#process, "exit").then(([code]) => {
      throw new Error(`the API server of the benchmark ended with ${code}`);
    });
    // It ends without harm when nobody waits for an answer.
    this.#failed.catch(() => {});
  }

  static async start(services: number, nodeName: string): Promise<ScaleApi> {
    const api = new ScaleApi(services, nodeName);
    const { port, bytes } = await api.#reply("ready");
    api.#url = `http://127.0.0.1:${port}`;
    api.#bytes = bytes;
    return api;
  }

  get url(): string {
    return this.#url;
  }

  /** Of JSON, in all lists. */
  get bytes(): number {
    return this.#bytes;
  }

  /** When the first request since the last call came. Milliseconds since 1970. */
  async firstRequestAt(): Promise<number> {
    this.#process.send({ kind: "first-request" } satisfies ScaleRequest);
    const { at } = await this.#reply("first-request");
    if (at === undefined) throw new Error("the agent asked for nothing");
    return at;
  }

  /** Replaces one endpoint of a random Service, so many times; the latencies of each, in µs. */
  async change(count: number, pauseMs: number, pinPath: string): Promise<readonly number[]> {
    this.#process.send({ kind: "change", count, pauseMs, pinPath } satisfies ScaleRequest);
    return (await this.#reply("changed")).endToEndMicroseconds;
  }

  [Symbol.dispose](): void {
    this.#process.kill();
  }

  async #reply<Kind extends ScaleReply["kind"]>(
    kind: Kind,
  ): Promise<Extract<ScaleReply, { kind: Kind }>> {
    const answered = once(this.#process, "message") as Promise<[ScaleReply]>;
    const [message] = await Promise.race([answered, this.#failed]);
    if (message.kind !== kind) throw new Error(`expected ${kind}, got ${message.kind}`);
    return message as Extract<ScaleReply, { kind: Kind }>;
  }
}
