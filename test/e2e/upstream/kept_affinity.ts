import type { Site, Target } from "../../harness/load.ts";
import { until } from "../../harness/until.ts";
import { answersFrom } from "../reach.ts";

/** Resolves with the one of these pods that answers a client alone, and again and again. */
export async function keepsToOne(
  from: Site,
  way: Target,
  eligible: readonly string[],
): Promise<string> {
  const asked = async (): Promise<string> => (await answersFrom(from, way)).join();
  let last = "";
  return await until(
    async () => {
      last = await asked();
      return eligible.includes(last) && last === (await asked()) && last;
    },
    {
      deadlineMs: 20_000,
      describe: () => `one of ${eligible} to answer ${way.protocol} ${way.address}; it is ${last}`,
    },
  );
}
