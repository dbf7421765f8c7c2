import type { IpFamily } from "../model/address.ts";

/** How far publishing has come in one IP family. Times are milliseconds since the epoch. */
export interface Progress {
  readonly lastPublishedAt: number | undefined;
  /** When the oldest change arrived that is not published yet. */
  readonly oldestQueuedAt: number | undefined;
}

export type NodeState = "eligible" | "unseen" | "leaving";

export interface HealthState {
  readonly families: Readonly<Partial<Record<IpFamily, Progress>>>;
  readonly node: NodeState;
}

/** What /healthz and /livez tell, in kube-proxy's shape, so that its probes can stay (KP-41). */
export interface HealthReport {
  readonly lastUpdated: string;
  readonly currentTime: string;
  /** /healthz only. */
  readonly nodeEligible?: boolean;
  readonly healthy: boolean;
  readonly status: Readonly<Partial<Record<IpFamily, FamilyHealth>>>;
}

export interface FamilyHealth {
  readonly lastUpdated: string;
  readonly healthy: boolean;
}

/** Twice the period at which kube-proxy resyncs by default. */
const timeoutMs = 60_000;

/** Live: in no family has a change been waiting for a minute (KP-41). */
export function livez(state: HealthState, now: number): HealthReport {
  const progress = Object.values(state.families);
  const healthy = progress.every((family) => inTime(family, now));
  return {
    // A live proxy is up to date, even where nothing has changed for long.
    lastUpdated: timeText(healthy ? now : latest(progress)),
    currentTime: timeText(now),
    healthy,
    status: Object.fromEntries(
      Object.entries(state.families).map(([family, it]) => [
        family,
        { lastUpdated: timeText(it.lastPublishedAt), healthy: inTime(it, now) },
      ]),
    ),
  };
}

/** As live, and the Node is known and not about to leave: load balancers may send here (KP-41). */
export function healthz(state: HealthState, now: number): HealthReport {
  const { lastUpdated, currentTime, healthy, status } = livez(state, now);
  const nodeEligible = state.node === "eligible";
  return { lastUpdated, currentTime, nodeEligible, healthy: healthy && nodeEligible, status };
}

function inTime({ oldestQueuedAt }: Progress, now: number): boolean {
  return oldestQueuedAt === undefined || now - oldestQueuedAt < timeoutMs;
}

function latest(progress: readonly Progress[]): number | undefined {
  const times = progress.flatMap(({ lastPublishedAt }) => lastPublishedAt ?? []);
  return times.length > 0 ? Math.max(...times) : undefined;
}

/** Go's zero time, as kube-proxy writes it, where the time has not come yet. */
function timeText(time: number | undefined): string {
  return time === undefined ? "0001-01-01T00:00:00Z" : new Date(time).toISOString();
}
