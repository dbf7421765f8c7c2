import type { Clock } from "../clock.ts";
import { fieldsOf, itemsOf, textOf } from "../parse/fields.ts";
import { failureOf, RequestFailure } from "./failure.ts";
import { LineSplitter } from "./lines.ts";
import type { Answer, Transport } from "./transport.ts";

/** Objects a page: a compromise between requests and memory, and what client-go asks for. */
const pageLimit = 500;
/** The API server gives a list up after 60 s. */
const listSilenceMilliseconds = 75_000;
/** A bookmark comes about every minute: two in a row were missed. */
const watchSilenceMilliseconds = 150_000;

export interface Page {
  readonly items: readonly unknown[];
  /** Of the whole list. */
  readonly resourceVersion: string;
}

/** The two requests that list-and-watch is made of. What they throw is a RequestFailure. */
export class ApiClient {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;

  constructor(transport: Transport, clock: Clock, signal: AbortSignal) {
    this.#transport = transport;
    this.#clock = clock;
    this.#signal = signal;
  }

  /** The newest state, page by page. "gone" in the midst of it: begin again. */
  async *list(operation: string, path: string): AsyncGenerator<Page> {
    let token: string | undefined;
    do {
      const query = new URLSearchParams({ limit: String(pageLimit) });
      if (token !== undefined) query.set("continue", token);
      const list = fieldsOf(await this.#json(operation, `${path}&${query}`));
      const metadata = fieldsOf(list.metadata);
      const resourceVersion = textOf(metadata.resourceVersion);
      if (resourceVersion === undefined) throw this.#malformed(operation, "no list came back");
      token = textOf(metadata.continue);
      yield { items: itemsOf(list.items), resourceVersion };
    } while (token !== undefined);
  }

  /** What happened after a version, one event a line, as much as arrived together at a time. */
  async *watch(
    operation: string,
    path: string,
    resourceVersion: string,
    timeoutSeconds: number,
  ): AsyncGenerator<readonly unknown[]> {
    const query = new URLSearchParams({
      watch: "1",
      allowWatchBookmarks: "true",
      resourceVersion,
      timeoutSeconds: String(timeoutSeconds),
    });
    const lines = new LineSplitter();
    const chunks = this.#stream(operation, `${path}&${query}`, watchSilenceMilliseconds);
    for await (const chunk of chunks) {
      yield lines.push(chunk).map((line) => this.#parse(operation, line));
    }
  }

  async #json(operation: string, path: string): Promise<unknown> {
    const text = await textOfAll(this.#stream(operation, path, listSilenceMilliseconds));
    return this.#parse(operation, text);
  }

  /** Fails as "stalled" when nothing comes for so long, the answer's beginning included. */
  async *#stream(
    operation: string,
    path: string,
    silenceMilliseconds: number,
  ): AsyncGenerator<Buffer> {
    const stall = new AbortController();
    const expire = () => stall.abort(this.#stalled(operation, silenceMilliseconds));
    let cancel = this.#clock.setTimeout(expire, silenceMilliseconds);
    try {
      const signal = AbortSignal.any([this.#signal, stall.signal]);
      const answer = await this.#transport.get(operation, path, signal);
      if (answer.httpStatus !== 200) throw await this.#refusal(operation, answer);
      for await (const chunk of answer.body) {
        cancel();
        cancel = this.#clock.setTimeout(expire, silenceMilliseconds);
        yield chunk;
      }
    } finally {
      cancel();
    }
  }

  async #refusal(operation: string, answer: Answer): Promise<RequestFailure> {
    const text = await textOfAll(answer.body);
    const status = text.startsWith("{") ? this.#parse(operation, text) : undefined;
    const { target } = this.#transport;
    return failureOf(operation, target, answer.httpStatus, status, answer.retryAfter);
  }

  #parse(operation: string, text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (cause) {
      const reason = `the answer is no JSON: ${cause instanceof Error ? cause.message : cause}`;
      throw this.#malformed(operation, reason, cause);
    }
  }

  #malformed(operation: string, reason: string, cause?: unknown): RequestFailure {
    const hint = `${reason}; check that ${this.#transport.target} is a Kubernetes API server`;
    return new RequestFailure("malformed", operation, this.#transport.target, hint, { cause });
  }

  #stalled(operation: string, milliseconds: number): RequestFailure {
    const reason = `nothing came for ${milliseconds / 1000} s, so the connection is made anew`;
    return new RequestFailure("stalled", operation, this.#transport.target, reason);
  }
}

async function textOfAll(chunks: AsyncIterable<Buffer>): Promise<string> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all).toString("utf8");
}
