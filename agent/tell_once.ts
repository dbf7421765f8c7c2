import type { AgentEvent } from "./events/event.ts";
import { failureEvent, problemEvent } from "./events/trouble.ts";
import type { Log } from "./log.ts";
import type { LoopReport, LoopStatus } from "./reconcile/loop.ts";
import type { Writes } from "./reconcile/writes.ts";

/** Tells of each failure and problem when it appears, and of the end of the first sync. */
export class TellOnce {
  readonly #log: Log;
  readonly #tell: (event: AgentEvent | undefined) => void;
  #standing = new Set<string>();
  #ready = false;

  constructor(log: Log, tell: (event: AgentEvent | undefined) => void) {
    this.#log = log;
    this.#tell = tell;
  }

  report(report: LoopReport, status: () => LoopStatus, writes: Writes): void {
    if (report.problemsChanged) this.#warn(status());
    if (!this.#ready && status().ready) {
      this.#ready = true;
      this.#log.info("everything is published", { ...writes });
    } else if (report.published > 0) {
      this.#log.debug("published", { servicePorts: report.published, ...report.writes });
    }
  }

  #warn({ failures, problems }: LoopStatus): void {
    const lines = new Map<string, () => void>();
    const note = (target: string, message: string, event: AgentEvent | undefined) =>
      lines.set(`${target}: ${message}`, () => {
        this.#log.warn(`${target}: ${message}`, { target });
        this.#tell(event);
      });
    for (const failure of failures) note(failure.key, failure.message, failureEvent(failure));
    for (const problem of problems) note(problem.target, problem.message, problemEvent(problem));
    for (const [line, warn] of lines) if (!this.#standing.has(line)) warn();
    this.#standing = new Set(lines.keys());
  }
}
