import type { IpFamily } from "../model/address.ts";
import type { HealthState, NodeState, Progress } from "./health.ts";

/** Follows the publishing loop, for the health servers. Times are milliseconds since the epoch. */
export class HealthTracker {
  readonly #families = new Map<IpFamily, Progress>();
  #node: NodeState = "unseen";

  /** A change of this family waits from now on, unless an older one does already. */
  queued(family: IpFamily, now: number): void {
    const { lastPublishedAt, oldestQueuedAt } = this.#progress(family);
    this.#families.set(family, { lastPublishedAt, oldestQueuedAt: oldestQueuedAt ?? now });
  }

  /** Everything that was queued has been published. */
  published(family: IpFamily, now: number): void {
    this.#families.set(family, { lastPublishedAt: now, oldestQueuedAt: undefined });
  }

  node(state: NodeState): void {
    this.#node = state;
  }

  state(): HealthState {
    return { families: Object.fromEntries(this.#families), node: this.#node };
  }

  #progress(family: IpFamily): Progress {
    return this.#families.get(family) ?? { lastPublishedAt: undefined, oldestQueuedAt: undefined };
  }
}
