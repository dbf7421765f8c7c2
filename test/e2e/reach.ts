import { attempt, type Site, type Target } from "../harness/load.ts";
import { until } from "../harness/until.ts";

/** So many that one of three pods is missed once in a hundred million rounds. */
const attempts = 48;
/** An attempt that leaves the node untranslated takes a second to fail. */
const durationMs = 1_000;

/** TCP and UDP at one port of each address. */
export const waysTo = (addresses: readonly string[], port: number): readonly Target[] =>
  addresses.flatMap((address) => [
    { protocol: "tcp", address, port } as const,
    { protocol: "udp", address, port } as const,
  ]);

/**
 * Who answered, sorted: names of pods; an errno where an attempt failed; "untranslated" where it
 * ended in the network, which has no route to a ClusterIP and says so.
 */
export async function answersFrom(from: Site, to: Target): Promise<readonly string[]> {
  const first = await outcomes(from, to, 1);
  if (first.includes("untranslated")) return first;
  return [...new Set([...first, ...(await outcomes(from, to, attempts - 1))])].toSorted();
}

async function outcomes(from: Site, to: Target, count: number): Promise<readonly string[]> {
  const made = await attempt(from, to, { count, durationMs, timeoutMs: 5_000 });
  return made.map((each) => {
    if (each.ok) return each.backend;
    const isLost = each.errno === "EHOSTUNREACH" || each.errno === "EACCES";
    return isLost ? "untranslated" : each.errno;
  });
}

/** Resolves once each of the ways is answered by all of these and by nobody else. */
export async function reaches(
  from: Site,
  ways: readonly Target[],
  ...expected: readonly string[]
): Promise<void> {
  const wanted = expected.toSorted().join();
  for (const way of ways) {
    let last: readonly string[] = [];
    await until(
      async () => {
        last = await answersFrom(from, way);
        return last.join() === wanted;
      },
      {
        deadlineMs: 20_000,
        describe: () => `${way.protocol} ${way.address} ${way.port} to be ${wanted}; it is ${last}`,
      },
    );
  }
}
