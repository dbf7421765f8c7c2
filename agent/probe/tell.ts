import type { AgentEvent } from "../events/event.ts";
import { probeEvent } from "../events/trouble.ts";
import type { Log } from "../log.ts";
import type { Verdict } from "./verdict.ts";

/** Tells of each verdict once, when it comes, to the log and, where it is bad, to the API. */
export class ProbeTeller {
  readonly #nodeName: string;
  readonly #log: Log;
  readonly #record: (event: AgentEvent) => void;
  #told: Pick<Verdict, "state" | "reason"> = { state: "starting", reason: null };

  constructor(nodeName: string, log: Log, record: (event: AgentEvent) => void) {
    this.#nodeName = nodeName;
    this.#log = log;
    this.#record = record;
  }

  tell({ state, reason }: Verdict): void {
    const before = this.#told;
    if (state === before.state && reason === before.reason) return;
    this.#told = { state, reason };
    switch (state) {
      case "failed":
        this.#log.error(`Services are not served as they should be: ${reason}`);
        this.#record(probeEvent(this.#nodeName, reason ?? ""));
        break;
      case "ok":
        if (before.state === "failed") this.#log.info("Services are served again");
        break;
      case "off":
        this.#log.warn(`probe off: ${reason}`);
        break;
    }
  }

  reattached(programs: readonly string[]): void {
    this.#log.info("attached programs again that were gone", { programs });
  }
}
