import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { until } from "../harness/until.ts";
import { Chance } from "./soak_random.ts";
import { Soak, SoakNode } from "./soak_stage.ts";

/** For a longer soak; SLUICE_SOAK_COMMAND names the agent to run. */
const changes = Number(process.env.SLUICE_SOAK_CHANGES ?? 10_000);
const watches = Number(process.env.SLUICE_SOAK_WATCHES ?? 300);
const services = Number(process.env.SLUICE_SOAK_SERVICES ?? 100);
const seed = Number(process.env.SLUICE_SOAK_SEED ?? 1);

const PARTS = 5;
/** What the allocator and the collector may keep for themselves, in kB. */
const SLACK_KB = 16_000;
const TIMEOUT_MS = 600_000;

let stage: SoakNode;
beforeAll(async () => {
  stage = await SoakNode.create();
});
afterAll(() => stage?.[Symbol.asyncDispose]());

/** Watches and walks open a socket for a moment, and may have been counted before or after. */
const SOCKETS_COMING_AND_GOING = 3;

const kindsOf = (files: readonly string[]): readonly (readonly [string, number])[] =>
  [...Map.groupBy(files, (file) => file)].map(([kind, all]) => [kind, all.length]);

function most(files: readonly string[], kind: string): number {
  const held = files.filter((file) => file === kind).length;
  return kind === "socket:" ? held + SOCKETS_COMING_AND_GOING : held;
}

/** Does it some times over, and holds what the agent needs afterwards against the first time. */
async function staysSmall(soak: Soak, act: (part: number) => Promise<void>): Promise<void> {
  await act(0);
  const files = await soak.agent.files();
  const kilobytes = [await soak.agent.anonymousKilobytes()];
  for (let part = 1; part < PARTS; part++) {
    await act(part);
    let now: readonly string[] = [];
    const holdsNoMore = async () => {
      now = await soak.agent.files();
      return kindsOf(now).every(([kind, count]) => count <= most(files, kind));
    };
    await until(holdsNoMore, {
      deadlineMs: 5_000,
      describe: () => `the open files to be no more than ${files}; they are ${now}`,
    });
    kilobytes.push(await soak.agent.anonymousKilobytes());
  }
  console.log(`${files.length} files; RssAnon ${kilobytes.join(", ")} kB`);
  expect(kilobytes.at(-1)).toBeLessThan((kilobytes[0] ?? 0) + SLACK_KB);
}

describe("an agent holds no more places, files and memory", () => {
  it(
    "after many changes than after the first of them",
    async () => {
      await using soak = await Soak.start(stage, new Chance(seed), services);
      await staysSmall(soak, async (part) => {
        await soak.change(changes / PARTS);
        await soak.settled(`part ${part}`);
        await soak.empty();
        soak.server.compact();
      });
      const { writes } = (await soak.agent.status()).sync;
      console.log(`${changes} changes; ${JSON.stringify(writes)}`);
    },
    TIMEOUT_MS,
  );

  it(
    "after many watches than after the first of them",
    async () => {
      await using soak = await Soak.start(stage, new Chance(seed), services);
      const { server } = soak;
      await soak.change(services);
      await staysSmall(soak, async () => {
        for (let i = 0; i < watches / PARTS; i++) {
          server.bookmark();
          server.endWatches();
          const isWatched = () =>
            (["services", "endpointslices", "nodes"] as const).every((each) =>
              server.watching(each),
            );
          await until(isWatched, { deadlineMs: 5_000, describe: "the next watches" });
        }
        server.requests.length = 0;
        await soak.settled("watches");
      });
    },
    TIMEOUT_MS,
  );
});
