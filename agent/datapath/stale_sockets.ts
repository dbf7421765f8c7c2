import { type BpfLink, isNotFound, isPermission, isUnsupported, readIterator } from "libbpf-ts";
import { destroySocket, type NetlinkSocket, openNetlink } from "libbpf-ts/netlink";
import { type StaleSocket, staleSocketCodec } from "../../bpf/build/layout.ts";
import { addressText } from "../model/ip.ts";
import { findNetns } from "./netns.ts";

const AF_INET = 2;

/** What one walk over the connected UDP sockets found and did. */
export interface StaleSocketReport {
  /** Cookies of the stale sockets, destroyed or not. */
  readonly found: ReadonlySet<bigint>;
  readonly destroyed: number;
  /** One sentence per namespace or socket that could not be dealt with, and what mends it. */
  readonly problems: readonly string[];
}

/**
 * Destroys the UDP sockets that are still connected to a backend which no Service selects any more,
 * in every network namespace, where their cookie is known from an earlier walk; their owners see
 * ECONNABORTED and connect anew (PF-20, PF-21).
 * Unconnected sockets and those of others are never touched. Needs CAP_SYS_ADMIN to enter the
 * namespaces of pods.
 */
export async function destroyStaleSockets(
  iterator: BpfLink,
  known: ReadonlySet<bigint>,
): Promise<StaleSocketReport> {
  const stale = decodeAll(readIterator(iterator));
  const found = new Set(stale.map(({ cookie }) => cookie));
  const doomed = stale.filter(({ cookie }) => known.has(cookie));
  if (doomed.length === 0) return { found, destroyed: 0, problems: [] };
  const byNetns = Map.groupBy(doomed, ({ netns }) => netns);
  const paths = findNetns(new Set(byNetns.keys()));
  let destroyed = 0;
  const problems: string[] = [];
  for (const [netns, sockets] of byNetns) {
    const path = paths.get(netns);
    if (path === undefined) {
      problems.push(`network namespace ${netns} cannot be found: run the agent with hostPID`);
      continue;
    }
    destroyed += await destroyIn(path, sockets, problems);
  }
  return { found, destroyed, problems };
}

function decodeAll(bytes: Uint8Array): StaleSocket[] {
  const count = Math.floor(bytes.length / staleSocketCodec.size);
  return Array.from({ length: count }, (_, i) =>
    staleSocketCodec.decode(bytes, i * staleSocketCodec.size),
  );
}

async function destroyIn(
  path: string,
  sockets: readonly StaleSocket[],
  problems: string[],
): Promise<number> {
  let netlink: NetlinkSocket;
  try {
    netlink = openNetlink("sock_diag", path === "/proc/self/ns/net" ? {} : { netns: path });
  } catch (error) {
    problems.push(problemOf(path, error));
    return 0;
  }
  let destroyed = 0;
  try {
    for (const socket of sockets) {
      const problem = await destroyOne(netlink, socket);
      if (problem === undefined) destroyed++;
      else problems.push(problem);
    }
  } finally {
    netlink.close();
  }
  return destroyed;
}

/** Undefined: it is gone, by us or by itself. */
async function destroyOne(
  netlink: NetlinkSocket,
  socket: StaleSocket,
): Promise<string | undefined> {
  try {
    await destroySocket(netlink, {
      family: socket.family === AF_INET ? "IPv4" : "IPv6",
      protocol: "UDP",
      source: socket.source,
      sourcePort: socket.sourcePort,
      destination: socket.destination,
      destinationPort: socket.destinationPort,
      ifindex: socket.device,
      ...(socket.cookie === 0n ? {} : { cookie: socket.cookie }),
    });
    return undefined;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    return problemOf(`${addressText(socket.destination, 0)}:${socket.destinationPort}`, error);
  }
}

function problemOf(target: string, error: unknown): string {
  const what = `UDP sockets connected to gone backends stay (${target})`;
  if (isPermission(error)) {
    return `${what}: CAP_SYS_ADMIN and CAP_NET_ADMIN are needed to destroy them`;
  }
  if (isUnsupported(error)) return `${what}: the kernel is built without CONFIG_INET_DIAG_DESTROY`;
  return `${what}: ${error instanceof Error ? error.message : String(error)}`;
}
