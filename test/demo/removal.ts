import { type Load, monotonicNs, startLoad, type Target } from "../harness/load.ts";
import { until } from "../harness/until.ts";
import { withoutBackend } from "./manifest.ts";
import { milliseconds, type Page } from "./page.ts";
import { countBackends } from "./spread.ts";
import { addressText, type Stage, targetsOf, web } from "./stage.ts";

const deadlineMs = 10_000;
/** Requests on each address before the change, and again after it: hundreds a second. */
const enough = 300;

interface Running {
  readonly target: Target;
  readonly load: Load;
}

/** A backend leaves the file, and then ends, while requests keep coming. */
export async function showRemoval(stage: Stage, page: Page): Promise<void> {
  const removed = stage.backends.at(-1);
  if (removed === undefined) throw new Error("there are no backends");
  page.title(`2. ${removed.name} leaves web.yaml while requests keep coming`);
  const running = await startAll(stage);
  await all(running, ({ load }) => load.attempts.length > enough, "requests to run");

  const savedAt = monotonicNs();
  await stage.editWeb((yaml) => withoutBackend(yaml, removed.name));
  await stage.agent.hasEndpoints("web", stage.backends.length - 1);
  const publishedAt = monotonicNs();
  const after = ({ load }: Running) => load.attempts.filter(({ at }) => at > publishedAt);
  // Each client makes one request after the other: once one is from afterwards, none is from before.
  await all(running, (each) => after(each).length > 0, "the requests under way to end");
  await removed[Symbol.asyncDispose]();
  await all(running, (each) => after(each).length > enough, "requests after the removal");
  for (const { load } of running) await load.stop();

  const rows = running.map((each) => rowOf(each, after(each), removed.name));
  const titles = ["ADDRESS", "PROTOCOL", "BEFORE", "AFTER", "FAILED"];
  page.table([...titles, `${removed.name} AFTER`.toUpperCase()], rows);
  const lastChosenAt = Math.max(...running.map(({ load }) => lastChosen(load, removed.name)));
  page.say(
    "",
    `${removed.name} was chosen for the last time ${milliseconds(lastChosenAt - savedAt)} after the file was saved.`,
    "Its pod was ended as soon as no request from before was under way.",
  );
  if (rows.some((row) => row.at(-2) !== "0")) throw new Error("requests failed during the removal");
  if (rows.some((row) => row.at(-1) !== "0"))
    throw new Error("the removed backend was chosen again");
}

const lastChosen = ({ attempts }: Load, name: string): number =>
  attempts.findLast((each) => each.ok && each.backend === name)?.at ?? 0;

const startAll = ({ client }: Stage): Promise<readonly Running[]> =>
  Promise.all(
    targetsOf(web).map(async (target) => ({
      target,
      load: await startLoad(client, target, { gapUs: 1_000 }),
    })),
  );

async function all(
  running: readonly Running[],
  holds: (each: Running) => boolean,
  describe: string,
): Promise<void> {
  await until(() => running.every(holds), { deadlineMs, describe });
}

function rowOf({ target, load }: Running, after: Load["attempts"], removed: string) {
  return [
    addressText(target),
    target.protocol.toUpperCase(),
    `${load.attempts.length - after.length}`,
    `${after.length}`,
    `${load.attempts.filter(({ ok }) => !ok).length}`,
    `${countBackends(after).get(removed) ?? 0}`,
  ];
}
