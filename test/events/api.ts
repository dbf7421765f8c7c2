import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { closeServer } from "../../agent/serve/listener.ts";

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly type: string | undefined;
  readonly body: Record<string, unknown>;
}

/** The events of a Kubernetes API, on a real socket: keeps what it is asked for. */
export class FakeEventApi implements AsyncDisposable {
  readonly asked: Asked[] = [];
  /** What is answered, in order, before 201 and 200. */
  readonly refusals: { readonly code: number; readonly message: string }[] = [];
  readonly #server = createServer(async (request, response) => {
    const { method = "", url: path = "", headers } = request;
    const body = JSON.parse(await textOf(request));
    this.asked.push({ method, path, type: headers["content-type"], body });
    const { code, message } = this.refusals.shift() ?? { code: method === "POST" ? 201 : 200 };
    response.writeHead(code, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ kind: "Status", code, message }));
  });

  static async start(): Promise<FakeEventApi> {
    const api = new FakeEventApi();
    await new Promise<void>((resolve) => api.#server.listen(0, "127.0.0.1", resolve));
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return closeServer(this.#server);
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
