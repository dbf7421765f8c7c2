import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { VIP } from "./object.ts";

/** Runs with a server on the loopback that says "backend" to each client. */
export async function withBackend<T>(run: (port: number) => Promise<T>): Promise<T> {
  const server = createServer((socket) => socket.on("error", () => {}).end("backend"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    return await run((server.address() as AddressInfo).port);
  } finally {
    server.close();
  }
}

/** What is answered at the VIP, or the code of the error that a client meets. */
export async function answerAtVip(): Promise<string> {
  const socket = connect(80, VIP);
  try {
    const chunks = await socket.toArray({ signal: AbortSignal.timeout(5_000) });
    return Buffer.concat(chunks).toString();
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  } finally {
    socket.destroy();
  }
}
