import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { type Address, BACKEND_PORT } from "./manifests.ts";

/** Gives the loopback device the backend's addresses and answers there with them, TCP and UDP. */
export const startBackend = async ({ ip4, ip6 }: Address): Promise<void> => {
  execFileSync("/sbin/ip", ["addr", "add", `${ip4}/32`, "dev", "lo"]);
  execFileSync("/sbin/ip", ["addr", "add", `${ip6}/128`, "dev", "lo", "nodad"]);
  for (const address of [ip4, ip6]) {
    await answerTcp(address);
    await answerUdp(address);
  }
};

const answerTcp = async (address: string): Promise<void> => {
  const server = createServer((socket) => socket.on("error", () => {}).end(address));
  server.listen(BACKEND_PORT, address);
  await once(server, "listening");
};

const answerUdp = async (address: string): Promise<void> => {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  socket.on("message", (_, from) => socket.send(address, from.port, from.address));
  socket.bind(BACKEND_PORT, address);
  await once(socket, "listening");
};
