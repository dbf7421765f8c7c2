import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { ProbePlace } from "../datapath/probe_service.ts";

/**
 * A UDP socket at the loopback: the only place that the Service can be reached from, and one from
 * which nothing leaves the node where it is not translated. It fails by what it answers, and never by
 * an event.
 * @throws {NodeJS.ErrnoException}
 */
export async function bindTo({ family, loopback }: ProbePlace): Promise<Socket> {
  const socket = createSocket(family === "IPv4" ? "udp4" : "udp6");
  try {
    socket.bind(0, loopback);
    await once(socket, "listening");
    socket.setTTL(1);
  } catch (error) {
    socket.close();
    throw error;
  }
  return socket.on("error", () => {});
}

/** The kernel has no addresses of this family. */
export function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT";
}
