import { createServer, type RequestListener } from "node:http";
import { closeServer } from "./listener.ts";

export interface HealthCheckListenerOptions {
  /** One of the node's, or what stands for every one of a family: "0.0.0.0" or "::". */
  readonly address: string;
  readonly port: number;
  readonly handler: RequestListener;
  /** Told, as what follows "port 32000", why an attempt to bind failed; the next comes by itself. */
  readonly failed: (reason: string) => void;
  readonly bound: () => void;
  readonly retryMs: number;
}

/** An address and port that is served as soon as it can be had. */
export interface HealthCheckListener {
  /** The port is free at once; resolves when its connections are gone as well. */
  close(): Promise<void>;
}

export function listenForChecks({
  address,
  port,
  handler,
  failed,
  bound,
  retryMs,
}: HealthCheckListenerOptions): HealthCheckListener {
  const server = createServer({ requestTimeout: 10_000, keepAliveTimeout: 5_000 }, handler);
  let retry: NodeJS.Timeout | undefined;
  let closed = false;
  const attempt = () => server.listen({ port, host: address, ipv6Only: true });
  server.on("listening", bound);
  server.on("error", (error: NodeJS.ErrnoException) => {
    if (closed) return;
    retry = setTimeout(attempt, retryMs).unref();
    // A node without IPv6 has nothing to serve in it (KP-02).
    if (error.code !== "EAFNOSUPPORT") failed(bindFailure(error, address, port));
  });
  attempt();
  return {
    close: () => {
      closed = true;
      clearTimeout(retry);
      return closeServer(server);
    },
  };
}

function bindFailure(
  { code, message }: NodeJS.ErrnoException,
  address: string,
  port: number,
): string {
  const effect = `cannot be served at ${address}, so that load balancers take this node for unhealthy`;
  switch (code) {
    case "EADDRINUSE":
      return `${effect}: another process has the port; "ss -ltnp sport = :${port}" names it`;
    case "EADDRNOTAVAIL":
      return `${effect}: the node does not have that address; correct nodePortAddresses`;
    default:
      return `${effect}: ${message}`;
  }
}
