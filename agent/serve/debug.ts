import { existsSync, lstatSync, mkdirSync, unlinkSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { AgentView } from "./dump.ts";
import { closeServer } from "./listener.ts";
import { handlerOf, jsonReply, type Route } from "./reply.ts";

export type DebugSocketErrorCode = "agent-running" | "not-a-socket" | "unusable";

/** Why the debug socket cannot be had. */
export class DebugSocketError extends Error {
  readonly operation = "serve debug socket";
  readonly code: DebugSocketErrorCode;
  readonly target: string;

  constructor(code: DebugSocketErrorCode, target: string, message: string, cause?: unknown) {
    super(`${target}: ${message}`, { cause });
    this.name = "DebugSocketError";
    this.code = code;
    this.target = target;
  }
}

/** Another agent answers on the socket; two would fight over the same maps. */
export function isAgentRunning(error: unknown): boolean {
  return error instanceof DebugSocketError && error.code === "agent-running";
}

export interface DebugServer {
  /** Ends the server; its socket file goes with it. */
  close(): Promise<void>;
}

/**
 * Serves the agent's view as JSON on a UNIX socket that only the user of this process can open:
 * /v1/status, /v1/services and /v1/services/NAMESPACE/NAME. A socket file that a dead agent left
 * behind is replaced.
 *
 * @throws DebugSocketError
 */
export async function serveDebug(path: string, view: AgentView): Promise<DebugServer> {
  await makeWay(path);
  const server = createServer(handlerOf(routeOf(view)));
  await bind(server, path);
  return { close: () => closeServer(server) };
}

function routeOf(view: AgentView): Route {
  return (path) => {
    if (path === "/v1/status") return jsonReply(200, view.status());
    if (path === "/v1/services") return jsonReply(200, view.services());
    const [, namespace, name] = /^\/v1\/services\/([^/]+)\/([^/]+)$/.exec(path) ?? [];
    if (namespace === undefined || name === undefined) return undefined;
    const service = view.service(namespace, name);
    if (service.length > 0) return jsonReply(200, service);
    return jsonReply(404, { error: `there is no Service ${namespace}/${name}` });
  };
}

/**
 * Removes the socket file that a dead agent left behind.
 *
 * @throws DebugSocketError, see `isAgentRunning`
 */
export async function makeWay(path: string): Promise<void> {
  const taken = (code: DebugSocketErrorCode, message: string, cause?: unknown) =>
    new DebugSocketError(code, path, message, cause);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (!existsSync(path)) return;
    if (!lstatSync(path).isSocket()) {
      throw taken("not-a-socket", "is no socket; remove it or set --socket-path");
    }
    if (await answers(path)) {
      throw taken(
        "agent-running",
        "another agent answers here; stop it, or give this one a --socket-path and a --pin-path of its own",
      );
    }
    unlinkSync(path);
  } catch (error) {
    if (error instanceof DebugSocketError) throw error;
    throw taken("unusable", "cannot be made ready; run as root or set --socket-path", error);
  }
}

/** A listener whose backlog is full refuses with EAGAIN: it is alive all the same. */
const deadCodes: readonly unknown[] = ["ECONNREFUSED", "ENOENT"];

function answers(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(path);
  socket.once("connect", () => resolve(true));
  socket.once("error", (error: NodeJS.ErrnoException) => resolve(!deadCodes.includes(error.code)));
  return promise.finally(() => socket.destroy());
}

async function bind(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (cause) => {
    reject(new DebugSocketError("unusable", path, "cannot be bound", cause));
  });
  server.once("listening", resolve);
  // The file is made in the call to listen: nobody else may open it, not even for a moment.
  const umask = process.umask(0o177);
  server.listen(path);
  process.umask(umask);
  await promise;
}
