import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { type Address, BACKEND_PORT } from "./manifests.ts";

/** What a backend says to a client: by default where it was asked. */
type Answer = (client: string | undefined) => string;

/** Gives the loopback device the backend's addresses and answers there with them, TCP and UDP. */
export const startBackend = async (backend: Address): Promise<void> => {
  execFileSync("/sbin/ip", ["addr", "add", `${backend.ip4}/32`, "dev", "lo"]);
  execFileSync("/sbin/ip", ["addr", "add", `${backend.ip6}/128`, "dev", "lo", "nodad"]);
  await answerAt(backend);
};

/** Answers at addresses that are there already; with `tellsClient`, who asks as well. */
export const answerAt = async ({ ip4, ip6 }: Address, tellsClient = false): Promise<void> => {
  for (const address of [ip4, ip6]) {
    const answer: Answer = (client) => (tellsClient ? `${address} to ${client}` : address);
    await answerTcp(address, answer);
    await answerUdp(address, answer);
  }
};

const answerTcp = async (address: string, answer: Answer): Promise<void> => {
  const server = createServer((socket) =>
    socket.on("error", () => {}).end(answer(socket.remoteAddress)),
  );
  server.listen(BACKEND_PORT, address);
  await once(server, "listening");
};

const answerUdp = async (address: string, answer: Answer): Promise<void> => {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  socket.on("message", (_, from) => socket.send(answer(from.address), from.port, from.address));
  socket.bind(BACKEND_PORT, address);
  await once(socket, "listening");
};
