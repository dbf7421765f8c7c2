import { failureOf } from "../sources/kubernetes/failure.ts";
import type { HttpTransport } from "../sources/kubernetes/transport.ts";
import { apiEvent, seriesPatch } from "./api_event.ts";
import type { AgentEvent, Series } from "./event.ts";

/** Where an event stands in the API: its path. */
export type EventPath = string & {};

/** Events of a Kubernetes API. What it throws is a RequestFailure, or the signal's reason. */
export interface EventApi {
  create(event: AgentEvent, now: number, signal: AbortSignal): Promise<EventPath>;
  repeat(path: EventPath, series: Series, signal: AbortSignal): Promise<void>;
  close(): void;
}

type EventTransport = Pick<HttpTransport, "change" | "target" | "close">;

/** events.k8s.io/v1, as kube-proxy uses it: creates and patches are all that it asks for (KP-01). */
export class KubernetesEventApi implements EventApi {
  readonly #transport: EventTransport;
  readonly #nodeName: string;
  #made = 0;

  constructor(transport: EventTransport, nodeName: string) {
    this.#transport = transport;
    this.#nodeName = nodeName;
  }

  async create(event: AgentEvent, now: number, signal: AbortSignal): Promise<EventPath> {
    const body = apiEvent(event, this.#nodeName, now, this.#made++);
    const { name, namespace } = body.metadata;
    const path = `/apis/events.k8s.io/v1/namespaces/${namespace}/events`;
    await this.#ask(
      "create events",
      { method: "POST", path, type: "application/json", body },
      signal,
    );
    return `${path}/${name}`;
  }

  async repeat(path: EventPath, series: Series, signal: AbortSignal): Promise<void> {
    const type = "application/merge-patch+json";
    const body = seriesPatch(series);
    await this.#ask("patch events", { method: "PATCH", path, type, body }, signal);
  }

  close(): void {
    this.#transport.close();
  }

  async #ask(
    operation: string,
    change: Parameters<HttpTransport["change"]>[1],
    signal: AbortSignal,
  ): Promise<void> {
    const { httpStatus, retryAfter, body } = await this.#transport.change(
      operation,
      change,
      signal,
    );
    const chunks: Buffer[] = [];
    for await (const chunk of body) chunks.push(chunk);
    if (httpStatus === 200 || httpStatus === 201) return;
    const status = statusIn(Buffer.concat(chunks).toString("utf8"));
    throw failureOf(operation, this.#transport.target, httpStatus, status, retryAfter);
  }
}

function statusIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
