import type { Datapath } from "./datapath/open.ts";
import type { Log } from "./log.ts";
import type { NodeWatch } from "./node_watch.ts";
import { Auditor } from "./reconcile/auditor.ts";
import type { AuditedMap, Discrepancy } from "./reconcile/discrepancy.ts";
import type { Loop } from "./reconcile/loop.ts";
import { systemScheduler } from "./reconcile/scheduler.ts";

interface Audited {
  readonly loop: Loop;
  readonly nodeWatch: NodeWatch;
  readonly datapath: Datapath;
  readonly periodSeconds: number;
}

/** What goes through all maps that somebody else could have written to, and tells of it (KP-54). */
export function auditorOf(audited: Audited, log: Log): Auditor {
  const { loop, nodeWatch, datapath, periodSeconds } = audited;
  const found = (map: AuditedMap, message: string) => (target: string) => ({
    map,
    target,
    message,
  });
  const { settings } = datapath.node;
  return new Auditor({
    loop,
    others: [
      () => nodeWatch.auditAddresses().map(found("node_addresses", "was not what was written")),
      () => settings.audit().map(found("settings", "was not what was written")),
    ],
    scheduler: systemScheduler,
    periodMilliseconds: periodSeconds * 1000,
    onRepairs: (found) => tellRepairs(found, log),
    onFailure: (error) => log.warn("an audit of the maps was broken off", { error }),
  });
}

/** Of a map that somebody has emptied, each entry would be a line. */
const NAMED_AT_MOST = 20;

export function tellRepairs(found: readonly Discrepancy[], log: Log): void {
  for (const { map, target, message } of found.slice(0, NAMED_AT_MOST)) {
    const text = `somebody else wrote to the map ${map}, which is mended: ${target}: ${message}`;
    log.warn(text, { map, target });
  }
  const more = found.length - NAMED_AT_MOST;
  if (more > 0) log.warn(`somebody else wrote to the maps ${more} times more, all mended`);
}
