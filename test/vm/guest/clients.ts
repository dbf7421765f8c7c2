import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { type Address, SERVICE_PORT } from "./manifests.ts";
import type { Outcome, Outcomes, PacketOutcomes } from "./report.ts";

const DEADLINE_MS = 5_000;

/** One request from each kind of client. */
export const askAll = async ({ ip4, ip6 }: Address): Promise<Outcomes> => ({
  tcp4: await askTcp(ip4),
  tcp6: await askTcp(ip6),
  tcpMapped: await askTcp(`::ffff:${ip4}`),
  udp4: await askUdp(ip4),
  udp6: await askUdp(ip6),
  udpConnected4: await askConnectedUdp(ip4),
  udpConnected6: await askConnectedUdp(ip6),
});

/** One request over each protocol and family, by sockets that no hook sees. */
export const askByPackets = async (
  { ip4, ip6 }: Address,
  port: number,
): Promise<PacketOutcomes> => ({
  tcp4: await askTcp(ip4, port),
  tcp6: await askTcp(ip6, port),
  udp4: await askUdp(ip4, port),
  udp6: await askUdp(ip6, port),
});

/** Connects, reads to the end and says which peer getpeername(2) names. */
export const askTcp = (host: string, port = SERVICE_PORT): Promise<Outcome> =>
  observed(async (signal) => {
    const socket = connect({ host, port });
    try {
      await once(socket, "connect", { signal });
      const peer = `${socket.remoteAddress} ${socket.remotePort}`;
      const chunks = await socket.toArray({ signal });
      return { backend: Buffer.concat(chunks).toString(), peer };
    } finally {
      socket.destroy();
    }
  });

/** Sends a datagram by sendto(2) and says from whom the answer seems to come. */
export const askUdp = (host: string, port = SERVICE_PORT): Promise<Outcome> =>
  observed(async (signal) => {
    const socket = udpSocket(host);
    try {
      const sent = Promise.withResolvers<void>();
      const answer = once(socket, "message", { signal });
      socket.send("hello", port, host, (error) => (error ? sent.reject(error) : sent.resolve()));
      const [[message, from]] = await Promise.all([answer, sent.promise]);
      return { backend: String(message), peer: `${from.address} ${from.port}` };
    } finally {
      socket.close();
    }
  });

/** Connects a UDP socket, asks once and says which peer getpeername(2) names. */
export const askConnectedUdp = (host: string): Promise<Outcome> =>
  observed(async (signal) => {
    const socket = await connectUdp(host);
    try {
      const backend = await askAgain(socket, signal);
      const peer = socket.remoteAddress();
      return { backend, peer: `${peer.address} ${peer.port}` };
    } finally {
      socket.close();
    }
  });

export const connectUdp = async (host: string): Promise<Socket> => {
  const socket = udpSocket(host);
  const connected = once(socket, "connect");
  socket.connect(SERVICE_PORT, host);
  await connected;
  return socket;
};

/** One more request over a connected socket. */
export const askAgain = async (socket: Socket, signal?: AbortSignal): Promise<string> => {
  const answer = once(socket, "message", { signal });
  socket.send("hello");
  const [message] = await answer;
  return String(message);
};

/** The code of the next error that the socket meets; null when it meets none in time. */
export const nextError = async (socket: Socket, deadlineMs: number): Promise<string | null> => {
  try {
    const [error] = await once(socket, "error", { signal: AbortSignal.timeout(deadlineMs) });
    return codeOf(error);
  } catch {
    return null;
  }
};

const udpSocket = (host: string): Socket => createSocket(host.includes(":") ? "udp6" : "udp4");

const observed = async (ask: (signal: AbortSignal) => Promise<Outcome>): Promise<Outcome> => {
  try {
    return await ask(AbortSignal.timeout(DEADLINE_MS));
  } catch (error) {
    return { error: codeOf(error) };
  }
};

const codeOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  if ("code" in error && typeof error.code === "string") return error.code;
  return error.name;
};
