import { createServer, type RequestListener } from "node:http";
import { closeServer } from "./listener.ts";

export interface HealthCheckListenerOptions {
  /** An address of the node; undefined: every one of both families. */
  readonly address: string | undefined;
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
  const attempt = () => server.listen({ port, host: address });
  server.on("listening", bound);
  server.on("error", (error) => {
    if (closed) return;
    retry = setTimeout(attempt, retryMs).unref();
    failed(bindFailure(error, address, port));
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
  address: string | undefined,
  port: number,
): string {
  const where = address === undefined ? "" : ` at ${address}`;
  const effect = `cannot be served${where}, so that load balancers take this node for unhealthy`;
  switch (code) {
    case "EADDRINUSE":
      return `${effect}: another process has the port; "ss -ltnp sport = :${port}" names it`;
    case "EADDRNOTAVAIL":
      return `${effect}: the node does not have that address; correct nodePortAddresses`;
    default:
      return `${effect}: ${message}`;
  }
}
