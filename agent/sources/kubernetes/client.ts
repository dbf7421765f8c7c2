import type { Clock } from "../clock.ts";
import { fieldsOf, textOf } from "../parse/fields.ts";
import { failureOf, isStalled, RequestFailure } from "./failure.ts";
import { LineSplitter } from "./lines.ts";
import { ListSplitter } from "./listsplitter.ts";
import type { Answer, Transport } from "./transport.ts";

/** Objects a page: a compromise between requests and memory, and what client-go asks for. */
const pageLimit = 500;
/** In milliseconds; the API server gives a list up after 60 s. */
const listSilence = 75_000;
/** In milliseconds; where anything changes a bookmark comes each minute, so two were missed. */
const watchSilence = 150_000;

/** Some objects of a list, or the version of the whole of it after the last of a page. */
export type ListPart =
  | { readonly kind: "items"; readonly items: readonly unknown[] }
  | { readonly kind: "page-end"; readonly resourceVersion: string };

/** A list or a watch that is under way. */
interface Stream {
  readonly operation: string;
  readonly startedAt: number;
  readonly stall: AbortController;
  isAnswered: boolean;
}

/** The requests that list-and-watch is made of. What they throw is a RequestFailure. */
export class ApiClient {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #heard: () => void;
  readonly #streams = new Set<Stream>();

  /** `heard` is told of whatever comes from the API server, before it is looked at. */
  constructor(transport: Transport, clock: Clock, signal: AbortSignal, heard: () => void) {
    this.#transport = transport;
    this.#clock = clock;
    this.#signal = signal;
    this.#heard = heard;
  }

  /**
   * Whether the API server lives: any answer says so, a refusal too. Everybody who is authenticated
   * may ask for /livez (system:public-info-viewer), and no request waits in front of it for its turn.
   */
  async askForLife(signal: AbortSignal): Promise<void> {
    const { body } = await this.#transport.get("reach the API server", "/livez", signal);
    // Read to its end, so that the connection is kept.
    await textOfAll(body);
    this.#heard();
  }

  /** Breaks off every list and watch, as if its connection had. */
  cut(reason: string): void {
    this.#cut(reason, () => true);
  }

  /** The same for those that have waited for so long without an answer. */
  cutUnanswered(reason: string, milliseconds: number): void {
    const before = this.#clock.now() - milliseconds;
    this.#cut(reason, ({ isAnswered, startedAt }) => !isAnswered && startedAt <= before);
  }

  #cut(reason: string, isMeant: (stream: Stream) => boolean): void {
    const { target } = this.#transport;
    for (const stream of this.#streams) {
      const { operation, stall } = stream;
      if (isMeant(stream))
        stall.abort(new RequestFailure("unreachable", operation, target, reason));
    }
  }

  /** The newest state, as it arrives. "gone" in the midst of it: begin again. */
  async *list(operation: string, path: string): AsyncGenerator<ListPart> {
    let token: string | undefined;
    do {
      const query = new URLSearchParams({ limit: String(pageLimit) });
      if (token !== undefined) query.set("continue", token);
      const splitter = new ListSplitter();
      for await (const chunk of this.#stream(operation, `${path}&${query}`, listSilence)) {
        const items = splitter.push(chunk).map((item) => this.#parse(operation, item));
        yield { kind: "items", items };
      }
      const metadata = fieldsOf(fieldsOf(this.#parse(operation, splitter.frame())).metadata);
      const resourceVersion = textOf(metadata.resourceVersion);
      if (resourceVersion === undefined) throw this.#malformed(operation, "no list came back");
      token = textOf(metadata.continue);
      yield { kind: "page-end", resourceVersion };
    } while (token !== undefined);
  }

  /**
   * What happened after a version, as much as arrived together at a time; first of all nothing, when
   * the server has agreed to the watch. Ends when the server ends it, or says nothing for long.
   */
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
    let isAgreed = false;
    try {
      for await (const chunk of this.#stream(operation, `${path}&${query}`, watchSilence)) {
        isAgreed = true;
        yield lines.push(chunk).map((line) => this.#parse(operation, line));
      }
    } catch (cause) {
      // It hangs, or there is nothing to be said, for not even a bookmark comes without any change.
      if (!isAgreed || !isStalled(cause)) throw cause;
    }
  }

  /**
   * Begins with an empty chunk when the server has agreed. Fails as "stalled" when nothing comes for
   * so long.
   */
  async *#stream(
    operation: string,
    path: string,
    silenceMilliseconds: number,
  ): AsyncGenerator<Buffer> {
    const stall = new AbortController();
    const stream = { operation, startedAt: this.#clock.now(), stall, isAnswered: false };
    this.#streams.add(stream);
    const expire = () => stall.abort(this.#stalled(operation, silenceMilliseconds));
    let cancel = this.#clock.setTimeout(expire, silenceMilliseconds);
    try {
      const signal = AbortSignal.any([this.#signal, stall.signal]);
      const answer = await this.#transport.get(operation, path, signal);
      stream.isAnswered = true;
      this.#heard();
      if (answer.httpStatus !== 200) throw await this.#refusal(operation, answer);
      yield Buffer.alloc(0);
      for await (const chunk of answer.body) {
        cancel();
        cancel = this.#clock.setTimeout(expire, silenceMilliseconds);
        this.#heard();
        yield chunk;
      }
    } finally {
      cancel();
      this.#streams.delete(stream);
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
