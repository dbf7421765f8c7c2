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
  /** Connections to Services are not translated (PF-06). */
  readonly failure?: Failure | undefined;
}

export interface Failure {
  readonly reason: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/** What /healthz and /livez tell, in kube-proxy's shape, so that its probes can stay (KP-41). */
export interface HealthReport {
  readonly lastUpdated: string;
  readonly currentTime: string;
  /** /healthz only. */
  readonly nodeEligible?: boolean;
  readonly healthy: boolean;
  readonly status: Readonly<Partial<Record<IpFamily, FamilyHealth>>>;
  /** Why connections to Services are not translated; kube-proxy has no such field. */
  readonly reason?: string;
}

export interface FamilyHealth {
  readonly lastUpdated: string;
  readonly healthy: boolean;
}

/** Twice the period at which kube-proxy resyncs by default. */
const timeoutMs = 60_000;

/**
 * Live: in no family has a change been waiting for a minute (KP-41), and connections have not gone
 * untranslated for one. By then a restart is worth trying; it waits for nothing that is elsewhere.
 */
export function livez(state: HealthState, now: number): HealthReport {
  const { failure } = state;
  const progress = Object.values(state.families);
  const isBroken = failure !== undefined && now - failure.since >= timeoutMs;
  const healthy = !isBroken && progress.every((family) => inTime(family, now));
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
    ...(failure && { reason: failure.reason }),
  };
}

/**
 * As live, and connections are translated; and beside it, as kube-proxy has it, whether the Node is
 * known and not about to leave (KP-41, PF-06).
 */
export function healthz(state: HealthState, now: number): HealthReport {
  const { lastUpdated, currentTime, healthy: isLive, ...rest } = livez(state, now);
  const nodeEligible = state.node === "eligible";
  const healthy = isLive && state.failure === undefined;
  return { lastUpdated, currentTime, nodeEligible, healthy, ...rest };
}

/** Whether it is answered by 200: at /healthz, that load balancers may send traffic to the node. */
export const passes = ({ healthy, nodeEligible = true }: HealthReport): boolean =>
  healthy && nodeEligible;

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
