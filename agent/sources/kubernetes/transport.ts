import * as http from "node:http";
import * as https from "node:https";
import { type Access, type AccessOptions, loadAccess } from "./access.ts";
import { RequestFailure } from "./failure.ts";

/** An answer as its bytes arrive. */
export interface Answer {
  readonly httpStatus: number;
  /** The header Retry-After. */
  readonly retryAfter: string | undefined;
  /** Leaving its iteration early closes the connection. */
  readonly body: AsyncIterable<Buffer>;
}

/** Requests to the API server. What it throws is a RequestFailure "unreachable", or the signal's reason. */
export interface Transport {
  readonly target: string;
  get(operation: string, path: string, signal: AbortSignal): Promise<Answer>;
  /** Reads the configuration anew at the next request: it may be what failed. */
  renew(): void;
  close(): void;
}

/** A request that changes something. */
export interface Change {
  readonly method: "POST" | "PATCH";
  readonly path: string;
  /** Of the body: "application/json", or a kind of patch. */
  readonly type: string;
  readonly body: unknown;
}

/** Between checks of a silent connection; with the system's ten probes a dead peer shows in 40 s. */
const keepAliveMsecs = 30_000;

/** HTTP/1.1 over kept-alive connections, with what client-node knows of authentication. */
export class HttpTransport implements Transport {
  readonly #options: AccessOptions;
  readonly #http = new http.Agent({ keepAlive: true, keepAliveMsecs });
  readonly #https = new https.Agent({ keepAlive: true, keepAliveMsecs });
  #access: Promise<Access> | undefined;
  #target: string;

  constructor(options: AccessOptions) {
    this.#options = options;
    this.#target = options.server ?? options.kubeconfig ?? "the cluster";
  }

  get target(): string {
    return this.#target;
  }

  get(operation: string, path: string, signal: AbortSignal): Promise<Answer> {
    return this.#answer(operation, { method: "GET", path }, signal);
  }

  /** As `get`, of something that is to be made or changed. */
  change(operation: string, change: Change, signal: AbortSignal): Promise<Answer> {
    return this.#answer(operation, change, signal);
  }

  async #answer(operation: string, asked: Asked, signal: AbortSignal): Promise<Answer> {
    try {
      // A credential plugin may hang: the signal ends that wait as well.
      const options = await unlessAborted(this.#requestOptions(), signal);
      const response = await this.#send(options, asked, signal);
      return {
        httpStatus: response.statusCode ?? 0,
        retryAfter: response.headers["retry-after"],
        body: this.#body(operation, response, signal),
      };
    } catch (cause) {
      throw this.#failure(operation, cause, signal);
    }
  }

  renew(): void {
    this.#access = undefined;
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  async #requestOptions(): Promise<https.RequestOptions> {
    this.#access ??= loadAccess(this.#options);
    try {
      const { server, requestOptions } = await this.#access;
      this.#target = server.origin;
      const { hostname, port, protocol, pathname } = server;
      const agent = protocol === "http:" ? this.#http : this.#https;
      const host = hostname.replace(/^\[|\]$/g, "");
      return { agent, host, port, protocol, path: pathname, ...(await requestOptions()) };
    } catch (cause) {
      this.renew();
      throw cause;
    }
  }

  #send(
    options: https.RequestOptions,
    asked: Asked,
    signal: AbortSignal,
  ): Promise<http.IncomingMessage> {
    const send = options.protocol === "http:" ? http.request : https.request;
    const { method, path } = asked;
    const body = asked.method === "GET" ? undefined : JSON.stringify(asked.body);
    const headers = {
      ...options.headers,
      Accept: "application/json",
      "User-Agent": "sluice",
      ...(asked.method === "GET" ? {} : { "Content-Type": asked.type }),
    };
    const prefix = options.path?.replace(/\/$/, "") ?? "";
    return new Promise((resolve, reject) => {
      const request = send({ ...options, method, path: `${prefix}${path}`, headers, signal });
      request.on("response", resolve).on("error", reject).end(body);
    });
  }

  async *#body(
    operation: string,
    response: http.IncomingMessage,
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    try {
      yield* response;
    } catch (cause) {
      throw this.#failure(operation, cause, signal);
    }
  }

  #failure(operation: string, cause: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    return new RequestFailure("unreachable", operation, this.#target, reasonOf(cause), { cause });
  }
}

type Asked = Change | { readonly method: "GET"; readonly path: string };

function unlessAborted<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    result.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

function reasonOf(cause: unknown): string {
  // Several addresses were tried: the first failure stands for all of them.
  const first = cause instanceof AggregateError ? (cause.errors[0] ?? cause) : cause;
  const message = first instanceof Error ? first.message : String(first);
  const code = first instanceof Error && "code" in first ? String(first.code) : "";
  return `${message}${remedies[code] ?? ""}`;
}

const remedies: Readonly<Record<string, string>> = {
  ECONNRESET: "; the API server or something before it cut the connection, as a restart does",
  ECONNREFUSED: "; check that the API server runs and that its address is right",
  ENOTFOUND: "; the name does not resolve: check the server's address",
  ENOENT: "; check the paths of the kubeconfig and in it",
  EISDIR: "; check the paths of the kubeconfig and in it",
  EACCES: "; run as a user who may read the kubeconfig and the files that it names",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "; check certificate-authority in the kubeconfig",
  SELF_SIGNED_CERT_IN_CHAIN: "; check certificate-authority in the kubeconfig",
  DEPTH_ZERO_SELF_SIGNED_CERT: "; check certificate-authority in the kubeconfig",
  CERT_HAS_EXPIRED: "; renew the API server's certificate and check this node's clock",
  ERR_TLS_CERT_ALTNAME_INVALID: "; use a name of the certificate or set tls-server-name",
};
