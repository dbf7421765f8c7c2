import type { RequestListener } from "node:http";
import type { DesiredHealthCheck } from "../compile/records.ts";
import { healthCheckAnswer } from "./health_check.ts";
import { type HealthCheckListener, listenForChecks } from "./health_check_listener.ts";
import { type HealthCheckPlace, placesOf } from "./health_check_place.ts";

export interface HealthCheckServersOptions {
  /** Where to listen (KP-26, KP-40); none: at every address. */
  readonly addresses: readonly string[];
  /** Whether the proxy keeps up, as /livez says (KP-41). */
  readonly healthy: () => boolean;
  /** Told of each problem once, when it appears, and again when it comes back. */
  readonly onProblem: (problem: HealthCheckProblem) => void;
  /** How long to wait before an address that cannot be had is tried again. */
  readonly retryMs?: number;
}

/** A healthCheckNodePort that is not served as it should be. */
export interface HealthCheckProblem {
  readonly namespace: string;
  readonly name: string;
  /** What is wrong and what mends it. */
  readonly message: string;
}

/**
 * Answers the load balancers that ask which nodes have endpoints of a Service (KP-40): one port for
 * each health check, whatever the path, at addresses of the Service's families, and at each for its
 * family alone. A port that is taken is tried again until it is free.
 */
export class HealthCheckServers {
  readonly #options: HealthCheckServersOptions;
  #addresses: readonly string[];
  #checks: ReadonlyMap<number, DesiredHealthCheck> = new Map();
  readonly #listeners = new Map<string, HealthCheckListener>();
  /** What was said last of a listener that is not bound. */
  readonly #unbound = new Map<string, string>();
  /** What was said of Services whose port is another's. */
  #contested: ReadonlySet<string> = new Set();
  #closed = false;

  constructor(options: HealthCheckServersOptions) {
    this.#options = options;
    this.#addresses = options.addresses;
  }

  /** Serves these and no others. A port that stays is not closed, whichever Service it is of. */
  apply(checks: readonly DesiredHealthCheck[]): void {
    this.#checks = this.#byPort(checks);
    this.#listen();
  }

  /** As the option: the node's addresses come and go. */
  moveTo(addresses: readonly string[]): void {
    this.#addresses = addresses;
    this.#listen();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const closing = [...this.#listeners.values()].map((listener) => listener.close());
    this.#listeners.clear();
    await Promise.all(closing);
  }

  /** Of Services that share a port the first by name has it, on every node. */
  #byPort(checks: readonly DesiredHealthCheck[]): ReadonlyMap<number, DesiredHealthCheck> {
    const byPort = new Map<number, DesiredHealthCheck>();
    const contested = new Set<string>();
    for (const check of checks.toSorted(byName)) {
      const owner = byPort.get(check.port);
      if (owner === undefined) {
        byPort.set(check.port, check);
        continue;
      }
      const problem = problemOf(check, `is that of ${keyOf(owner)} too; give each its own`);
      const said = `${keyOf(check)} ${problem.message}`;
      if (!this.#contested.has(said)) this.#options.onProblem(problem);
      contested.add(said);
    }
    this.#contested = contested;
    return byPort;
  }

  #listen(): void {
    if (this.#closed) return;
    const wanted = placesOf(this.#checks.values(), this.#addresses);
    // Ports are given back before others are taken: every address holds each single one as well.
    for (const [key, listener] of this.#listeners) {
      if (wanted.has(key)) continue;
      this.#listeners.delete(key);
      this.#unbound.delete(key);
      void listener.close();
    }
    for (const [key, place] of wanted) {
      if (!this.#listeners.has(key)) this.#listeners.set(key, this.#open(key, place));
    }
  }

  #open(key: string, place: HealthCheckPlace): HealthCheckListener {
    const { address, port } = place;
    return listenForChecks({
      address,
      port,
      handler: this.#handlerOf(place),
      failed: (reason) => this.#failed(key, port, reason),
      bound: () => this.#unbound.delete(key),
      retryMs: this.#options.retryMs ?? 5_000,
    });
  }

  #handlerOf({ family, port }: HealthCheckPlace): RequestListener {
    return (_, response) => {
      const check = this.#checks.get(port);
      const count = check?.localEndpoints[family];
      if (check === undefined || count === undefined) {
        response.destroy();
        return;
      }
      const { status, headers, body } = healthCheckAnswer(check, count, this.#options.healthy());
      response.writeHead(status, headers).end(body);
    };
  }

  #failed(key: string, port: number, reason: string): void {
    const check = this.#checks.get(port);
    if (check === undefined) return;
    const said = `${keyOf(check)} ${reason}`;
    if (this.#unbound.get(key) === said) return;
    this.#unbound.set(key, said);
    this.#options.onProblem(problemOf(check, reason));
  }
}

const problemOf = (
  { namespace, name, port }: DesiredHealthCheck,
  what: string,
): HealthCheckProblem => ({ namespace, name, message: `healthCheckNodePort ${port} ${what}` });

const keyOf = ({ namespace, name }: DesiredHealthCheck): string => `${namespace}/${name}`;

const byName = (a: DesiredHealthCheck, b: DesiredHealthCheck): number =>
  keyOf(a) < keyOf(b) ? -1 : 1;
