import type { IncomingMessage, ServerResponse } from "node:http";

/** One answer to a GET. */
export interface Reply {
  readonly status: number;
  readonly type: "application/json" | "text/plain; charset=utf-8" | (string & {});
  readonly body: string;
}

export function jsonReply(status: number, body: unknown): Reply {
  return { status, type: "application/json", body: `${JSON.stringify(body)}\n` };
}

export function textReply(status: number, body: string): Reply {
  return { status, type: "text/plain; charset=utf-8", body };
}

/** Answers a path, as the client sent it but without its query; undefined: there is no such path. */
export type Route = (path: string) => Reply | undefined | Promise<Reply | undefined>;

/**
 * A request handler that answers GET and HEAD by `route`: 404 where that knows no answer, 405 for
 * other methods, 500 with the message where it throws.
 */
export function handlerOf(route: Route) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { status, type, body } = await answer(route, request);
    response.writeHead(status, {
      "Content-Type": type,
      "Content-Length": Buffer.byteLength(body),
      "X-Content-Type-Options": "nosniff",
      ...(status === 405 ? { Allow: "GET, HEAD" } : {}),
    });
    response.end(request.method === "HEAD" ? undefined : body);
  };
}

async function answer(route: Route, { method, url = "/" }: IncomingMessage): Promise<Reply> {
  if (method !== "GET" && method !== "HEAD") return jsonReply(405, { error: "only GET is served" });
  try {
    const path = url.split("?", 1)[0] ?? "/";
    return (await route(path)) ?? jsonReply(404, { error: `there is nothing at ${path}` });
  } catch (error) {
    return jsonReply(500, { error: error instanceof Error ? error.message : String(error) });
  }
}
