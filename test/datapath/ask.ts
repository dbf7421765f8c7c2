import { attempt, type LoadOptions, type Site } from "../harness/load.ts";

/** One attempt to an address and port: the pod that answered and whom the client sees, or why not. */
export async function ask(
  from: Site,
  protocol: "tcp" | "udp",
  address: string,
  port: number,
  options: LoadOptions = {},
): Promise<{ readonly backend: string; readonly peer: string } | string> {
  const [outcome] = await attempt(from, { protocol, address, port }, options);
  if (outcome === undefined) throw new Error("loadgen made no attempt");
  return outcome.ok ? { backend: outcome.backend, peer: outcome.peer } : outcome.errno;
}

/** How often each pod answered `count` connections or, for UDP, sockets. The first has to succeed. */
export async function tally(
  from: Site,
  protocol: "tcp" | "udp",
  address: string,
  port: number,
  count: number,
): Promise<Readonly<Record<string, number>>> {
  const first = await ask(from, protocol, address, port);
  if (typeof first === "string") throw new Error(`${protocol} to ${address}:${port}: ${first}`);
  const tallied: Record<string, number> = { [first.backend]: 1 };
  for (const outcome of await attempt(from, { protocol, address, port }, { count: count - 1 })) {
    const who = outcome.ok ? outcome.backend : outcome.errno;
    tallied[who] = (tallied[who] ?? 0) + 1;
  }
  return tallied;
}
