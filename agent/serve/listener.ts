import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { BindAddress } from "../config/parse.ts";
import { formatBindAddress } from "../config/parse.ts";
import type { Log } from "../log.ts";

export interface ListenerOptions {
  /** What is served, for the log. */
  readonly name: string;
  readonly address: BindAddress;
  readonly handler: RequestListener;
  readonly log: Log;
  /** How long to wait before a taken address is tried again. */
  readonly retryMs?: number;
}

/** An HTTP server that wants an address, and has it as soon as nobody else does. */
export interface Listener {
  /** The first time that the address was had; never rejects. */
  readonly bound: Promise<AddressInfo>;
  /** Where it listens, as text. */
  readonly address: string;
  /** Since when another process has the address, in milliseconds since 1970; undefined: none has. */
  takenSince(): number | undefined;
  /** Ends the server and its open connections. */
  close(): Promise<void>;
}

/**
 * Serves HTTP on an address. One that is taken, as by another proxy's health server, is warned
 * of once and tried again until it is free: nothing else stops for it (PF-41).
 */
export function listen({
  name,
  address,
  handler,
  log,
  retryMs = 5_000,
}: ListenerOptions): Listener {
  const server = createServer({ requestTimeout: 10_000, keepAliveTimeout: 5_000 }, handler);
  const bound = Promise.withResolvers<AddressInfo>();
  const where = formatBindAddress(address);
  let refused = false;
  let takenSince: number | undefined;
  let closed = false;
  let retry: NodeJS.Timeout | undefined;

  const attempt = () => server.listen({ port: address.port, host: address.host || undefined });
  server.on("listening", () => {
    if (refused) log.info(`${name} is served now`, { address: where });
    refused = false;
    takenSince = undefined;
    bound.resolve(server.address() as AddressInfo);
  });
  server.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EADDRINUSE") takenSince ??= Date.now();
    const say = refused ? log.debug : log.warn;
    say(`${name} cannot be served yet; retrying`, { address: where, error });
    refused = true;
    if (!closed) retry = setTimeout(attempt, retryMs).unref();
  });
  attempt();
  return {
    bound: bound.promise,
    address: where,
    takenSince: () => takenSince,
    close: () => {
      closed = true;
      clearTimeout(retry);
      return closeServer(server);
    },
  };
}

export async function closeServer(server: Server): Promise<void> {
  const closed = Promise.withResolvers<void>();
  server.close(() => closed.resolve());
  server.closeAllConnections();
  await closed.promise;
}
