import type { SourceEvent } from "../../model/event.ts";
import { type Clock, systemClock } from "../clock.ts";
import { Interner } from "../parse/intern.ts";
import { Problems } from "../problems.ts";
import type { Source, SourceProblem, SourceStatus } from "../source.ts";
import type { AccessOptions } from "./access.ts";
import { ApiClient } from "./client.ts";
import { isAccessDoubtful, type RequestFailure } from "./failure.ts";
import { answerTime, Heartbeat } from "./heartbeat.ts";
import { Reflector } from "./reflector.ts";
import { watchedResources } from "./resource.ts";
import { HttpTransport, type Transport } from "./transport.ts";

export interface KubernetesOptions extends AccessOptions {
  readonly nodeName: string;
  /** Told of each problem with an object once, and of each failed request. */
  readonly report?: (problem: SourceProblem) => void;
  readonly clock?: Clock;
  /** From 0 up to 1. */
  readonly random?: () => number;
  readonly transport?: Transport;
}

/** Services, EndpointSlices, ServiceCIDRs and this node's Node from a Kubernetes API server (KP-01). */
export class KubernetesSource implements Source {
  readonly #options: KubernetesOptions;
  readonly #transport: Transport;
  readonly #problems: Problems;
  readonly #report: (problem: SourceProblem) => void;
  readonly #stop = new AbortController();
  #heartbeat: Heartbeat | undefined;
  #reflectors: readonly Reflector[] = [];
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: KubernetesOptions) {
    this.#options = options;
    this.#transport = options.transport ?? new HttpTransport(options);
    this.#report = options.report ?? (() => {});
    this.#problems = new Problems(this.#report);
  }

  start(sink: (events: readonly SourceEvent[]) => void): void {
    const { clock = systemClock, random = Math.random, nodeName } = this.#options;
    const { signal } = this.#stop;
    const client = new ApiClient(this.#transport, clock, signal, () => heartbeat.heard());
    const heartbeat = this.#heartbeatOf(client, clock, random);
    const problems = this.#problems;
    const failed = (failure: RequestFailure, message: string) => this.#failed(failure, message);
    this.#reflectors = watchedResources(nodeName, new Interner()).map(
      (watched) => new Reflector({ watched, client, clock, random, problems, sink, failed }),
    );
    this.#running = Promise.all(this.#reflectors.map((reflector) => reflector.run(signal)));
    this.#heartbeat = heartbeat;
    heartbeat.start();
  }

  async stop(): Promise<void> {
    this.#heartbeat?.stop();
    this.#stop.abort();
    await this.#running;
    this.#transport.close();
  }

  status(): SourceStatus {
    return {
      kind: "kubernetes",
      target: this.#transport.target,
      resources: this.#reflectors.map((reflector) => reflector.status()),
      problems: this.#problems.list(),
    };
  }

  #heartbeatOf(client: ApiClient, clock: Clock, random: () => number): Heartbeat {
    return new Heartbeat({
      clock,
      random,
      ask: (signal) => client.askForLife(signal),
      heard: (now) => {
        for (const reflector of this.#reflectors) reflector.vouch(now);
      },
      lost: () =>
        this.#report({
          target: this.#transport.target,
          message:
            "the API server does not answer: what is programmed is served on, and it is asked again every 4 s",
        }),
      silent: (milliseconds) =>
        client.cut(
          `the API server has said nothing for ${Math.round(milliseconds / 1000)} s, so the connection is made anew, perhaps to another one`,
        ),
      back: () => {
        for (const reflector of this.#reflectors) reflector.retrySoon();
        client.cutUnanswered(
          "it was asked while the API server was away: it is asked anew",
          answerTime,
        );
      },
    });
  }

  #failed(failure: RequestFailure, message: string): void {
    if (isAccessDoubtful(failure)) this.#transport.renew();
    this.#report({ target: failure.target, message });
  }
}
