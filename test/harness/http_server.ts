import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { bytes, sha256 } from "./bytes.ts";

/**
 * A server inside a test's pod: `node http_server.ts NAME PORT`. GET /N gives N bytes, those of
 * `bytes`; PUT gives the SHA-256 of what came; both name the pod and the client in headers.
 */
const [name = "", port] = process.argv.slice(2);

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader("x-backend", name);
  response.setHeader("x-client", request.socket.remoteAddress?.replace("::ffff:", "") ?? "");
  if (request.method === "PUT") {
    response.end(await sha256(request));
    return;
  }
  const length = Number(request.url?.slice(1));
  response.setHeader("content-length", length);
  await pipeline(bytes(length), response);
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy());
});
server.listen(Number(port), "::", () => console.log("ready"));
