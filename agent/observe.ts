import type { AgentEvent } from "./events/event.ts";
import { healthCheckEvent } from "./events/trouble.ts";
import type { Log } from "./log.ts";
import type { SourceEvent } from "./model/event.ts";
import { Backlog } from "./serve/backlog.ts";
import type { AgentView } from "./serve/dump.ts";
import { type Failure, type HealthState, healthz, type NodeState } from "./serve/health.ts";
import { type HealthCheckProblem, HealthCheckServers } from "./serve/health_check_servers.ts";
import { serveHealth } from "./serve/health_server.ts";
import { HealthTracker } from "./serve/health_tracker.ts";
import type { Listener } from "./serve/listener.ts";
import { createMetrics, type Metrics } from "./serve/metrics.ts";
import { serveMetrics } from "./serve/metrics_server.ts";
import { type EndpointChange, ProgrammingTimes } from "./serve/programming_times.ts";
import { TellOnce } from "./tell_once.ts";
import type { Parts } from "./view.ts";

export interface Observers {
  /** Before a batch of events is handled. */
  arrived(events: readonly SourceEvent[]): void;
  /** After it was. */
  handled(): void;
  close(): Promise<void>;
}

const families = ["IPv4", "IPv6"] as const;

/** Health, metrics and logs: they follow the loop and never steer it. */
export function observe(parts: Parts, view: AgentView, log: Log): Observers {
  const { config, loop, latency, hunt, nodeWatch } = parts;
  const metrics = createMetrics(view);
  const tracker = new HealthTracker();
  const tell = (event: AgentEvent | undefined) => {
    if (event !== undefined) parts.events?.record(event);
  };
  const told = new TellOnce(log, tell);
  const programmed = new ProgrammingTimes(parts.startedAt.getTime());
  const backlog = new Backlog();
  const health = () => ({ ...tracker.state(), failure: failureOf(parts) });
  const servers = serversOf(parts, view, metrics, health, log);
  const checks = healthChecksOf(health, (problem) => {
    log.warn(problem.message, { service: `${problem.namespace}/${problem.name}` });
    tell(healthCheckEvent(config.nodeName, problem));
  });
  nodeWatch.followNodePorts((addresses) => checks.moveTo(addresses));

  loop.subscribe((report) => {
    if (report.healthChecksChanged) checks.apply(loop.healthChecks);
    const now = Date.now();
    for (const microseconds of report.latenciesMicroseconds) {
      latency.add(microseconds);
      metrics.record.published(microseconds / 1e6);
    }
    if (report.retiredUdp) hunt?.start();
    if (report.caughtUp) {
      const { scope, seconds } = backlog.publish();
      for (const family of families) {
        tracker.published(family, now);
        metrics.record.current(family, now);
        if (seconds !== undefined) metrics.record.synced(family, scope, seconds);
      }
      const changes = programmed.take();
      const failures = changes.length === 0 ? [] : loop.status().failures;
      for (const change of changes) {
        if (failures.some(({ key }) => concerns(key, change))) continue;
        metrics.record.programmed(change.family, (now - change.changedAt) / 1000);
      }
      metrics.record.caughtUp();
    }
    told.report(report, () => loop.status(), parts.reconciler.writes);
  });

  return {
    arrived(events) {
      const changed = { service: 0, endpoint: 0 };
      for (const event of events) {
        const { kind } = event;
        if (kind === "service" || kind === "service-deleted") changed.service++;
        if (kind === "slice" || kind === "slice-deleted") changed.endpoint++;
        programmed.add(event);
      }
      if (changed.service + changed.endpoint === 0) return;
      metrics.record.changed("service", changed.service);
      metrics.record.changed("endpoint", changed.endpoint);
      backlog.arrived();
    },
    handled() {
      tracker.node(nodeState(parts));
      // Until everything was listed it is the source that has to be waited for, not the loop.
      if (!loop.store.ready || !backlog.queue()) return;
      const now = Date.now();
      for (const family of families) {
        tracker.queued(family, now);
        metrics.record.queued(family, now);
      }
    },
    async close() {
      await Promise.all([...servers, checks].map((server) => server.close()));
    },
  };
}

/** Whether a failure, by its Service port's key, is that of the Service whose endpoints changed. */
const concerns = (key: string, { service, family }: EndpointChange): boolean =>
  key.startsWith(`${service}:`) && key.endsWith(`/${family}`);

/** A folder need not say anything of the node: then nothing speaks against it. */
function nodeState({ source, loop: { store } }: Parts): NodeState {
  if (store.node !== undefined) return store.node.leaving ? "leaving" : "eligible";
  const isFolder = source.status().kind === "directory";
  return isFolder && store.synced.has("nodes") ? "eligible" : "unseen";
}

function failureOf({ probe }: Parts): Failure | undefined {
  const { state, reason, since } = probe.report();
  return state === "failed" ? { reason: reason ?? "", since } : undefined;
}

function healthChecksOf(
  health: () => HealthState,
  onProblem: (problem: HealthCheckProblem) => void,
): HealthCheckServers {
  const healthy = () => healthz(health(), Date.now()).healthy;
  return new HealthCheckServers({ addresses: [], healthy, onProblem });
}

function serversOf(
  { config, foreignProxies }: Parts,
  view: AgentView,
  metrics: Metrics,
  state: () => HealthState,
  log: Log,
): Listener[] {
  const { healthzBindAddress, metricsBindAddress } = config;
  const servers: Listener[] = [];
  if (healthzBindAddress !== undefined) {
    const { answered } = metrics.record;
    const address = healthzBindAddress;
    const readiness = () => view.status().readiness;
    const server = serveHealth({ address, state, readiness, now: Date.now, answered, log });
    foreignProxies.watchPort("healthz_port", server);
    servers.push(server);
  }
  if (metricsBindAddress !== undefined) {
    const server = serveMetrics({ address: metricsBindAddress, metrics, config, log });
    foreignProxies.watchPort("metrics_port", server);
    servers.push(server);
  }
  return servers;
}
