import { existsSync, readFileSync } from "node:fs";
import { netnsCookie, releaseFreeMemory } from "libbpf-ts";
import { bpfObjectPath, version } from "./assets.ts";
import { auditorOf } from "./audits.ts";
import { findCgroup2 } from "./config/cgroup.ts";
import type { AgentStart } from "./config/resolve.ts";
import type { AgentConfig } from "./config/settings.ts";
import { configChange } from "./config/watch.ts";
import { DatapathError } from "./datapath/datapath_error.ts";
import { writeSnatPorts } from "./datapath/flow_settings.ts";
import { setNodeFacts } from "./datapath/node_settings.ts";
import { type Datapath, openDatapath } from "./datapath/open.ts";
import { StaleSocketHunt } from "./datapath/stale_socket_hunt.ts";
import { destroyStaleSockets } from "./datapath/stale_sockets.ts";
import type { EventRecorder } from "./events/recorder.ts";
import { eventsOf } from "./events_of.ts";
import { startFlows } from "./flows.ts";
import { ForeignProxies } from "./foreign_proxies.ts";
import { LatencyWindow } from "./latency.ts";
import { createLog, type Log } from "./log.ts";
import { keptSizes, mapSizes } from "./map_sizes.ts";
import { chooseSnatPorts, readLocalPorts } from "./network/snat_ports.ts";
import { NodeWatch } from "./node_watch.ts";
import { observe } from "./observe.ts";
import { strayCgroup } from "./probe/cgroup.ts";
import { Probe } from "./probe/probe.ts";
import { ProbeTeller } from "./probe/tell.ts";
import { defaultLoopSettings, Loop } from "./reconcile/loop.ts";
import { Reconciler } from "./reconcile/reconciler.ts";
import { systemScheduler } from "./reconcile/scheduler.ts";
import { makeWay, serveDebug } from "./serve/debug.ts";
import { sourceOf } from "./source_of.ts";
import { type Parts, viewOf } from "./view.ts";

const TRIM_MS = 5_000;

/**
 * Runs the agent until SIGTERM or SIGINT, and gives its exit code: 1 where it was its configuration
 * file that changed (KP-52). Whatever it programmed stays pinned and at work afterwards (PF-04).
 */
export async function runAgent(config: AgentConfig, { notes, file }: AgentStart): Promise<number> {
  const log = createLog({
    level: config.logLevel,
    format: config.logFormat,
    output: process.stderr,
  });
  for (const { level, message } of notes) log[level](message);
  try {
    const stop = await startAgent(config, log);
    const end = await Promise.race([stopSignal(), configChange(file)]);
    if (end === "config changed") {
      log.warn("ending, to be started with what the configuration file says now", {
        file: file?.path,
      });
    } else log.info("stopping; the programs stay at work", { signal: end });
    await stop();
    return end === "config changed" ? 1 : 0;
  } catch (error) {
    log.error("the agent cannot run", { error });
    return 1;
  }
}

function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, resolve);
  });
}

/** Brings everything up, and gives what takes the process's own part of it down again. */
async function startAgent(config: AgentConfig, log: Log): Promise<() => Promise<void>> {
  const cgroupPath = config.cgroupPath ?? defaultCgroup();
  // Before anything is touched that another agent is at work on.
  await makeWay(config.socketPath);
  const datapath = openDatapath({
    objectPath: bpfObjectPath("sock"),
    packetObjectPath: bpfObjectPath("tc"),
    pinPath: config.pinPath,
    cgroupPath,
    sizes: mapSizes(config),
  });
  setUpNode(config, datapath);
  const parts = await partsOf(config, cgroupPath, datapath, log);
  await parts.nodeWatch.start();
  const view = viewOf(parts);
  const debug = await serveDebug(config.socketPath, view);
  const observers = observe(parts, view, log);
  sayWhatStands(parts, log);
  // Lists and loading leave megabytes with malloc that nothing uses any more.
  const trimming = setInterval(releaseFreeMemory, TRIM_MS).unref();
  parts.source.start((events) => {
    observers.arrived(events);
    parts.loop.handle(events);
    observers.handled();
    const { node, synced } = parts.loop.store;
    if (synced.has("nodes")) parts.nodeWatch.setNodeAddresses(node?.addresses ?? []);
  });
  parts.auditor.start();
  return async () => {
    clearInterval(trimming);
    await stopParts(parts, [observers, debug]);
  };
}

async function stopParts(
  { auditor, probe, source, loop, hunt, nodeWatch, foreignProxies, flows, events, datapath }: Parts,
  servers: readonly { close(): Promise<void> }[],
): Promise<void> {
  auditor.stop();
  await probe.close();
  await source.stop();
  loop.stop();
  hunt?.stop();
  nodeWatch.close();
  foreignProxies.close();
  await Promise.all([...servers.map((it) => it.close()), flows.stop(), events?.close()]);
  datapath.close();
}

/** Before any program meets a packet. */
function setUpNode(config: AgentConfig, { node: { settings } }: Datapath): void {
  const { clusterIpFromOutside, snatPortRange } = config;
  const snatPorts = chooseSnatPorts(snatPortRange, readLocalPorts());
  const facts = { netnsCookie: netnsCookie(), clusterIpFromOutside };
  settings.keep("ports of masqueraded flows", (it) => writeSnatPorts(it, snatPorts));
  settings.keep("facts of the node", (it) => setNodeFacts(it, facts));
}

async function partsOf(
  config: AgentConfig,
  cgroupPath: string,
  datapath: Datapath,
  log: Log,
): Promise<Parts> {
  const reconciler = await Reconciler.adopt(datapath.maps, config);
  const events = eventsOf(config, log.child({ part: "events" }));
  const settings = { ...defaultLoopSettings, nodeName: config.nodeName };
  const loop = new Loop(reconciler, systemScheduler, settings);
  const nodeWatch = new NodeWatch(config, datapath, log.child({ part: "network" }), (bound) =>
    loop.setBoundAddresses(bound),
  );
  const audited = { loop, nodeWatch, datapath, periodSeconds: config.auditPeriod };
  return {
    config,
    cgroupPath,
    datapath,
    reconciler,
    loop,
    source: sourceOf(config, log.child({ part: "source" })),
    latency: new LatencyWindow(),
    hunt: huntOf(datapath, log),
    nodeWatch,
    auditor: auditorOf(audited, log.child({ part: "audit" })),
    flows: startFlows(datapath, config, log.child({ part: "flows" })),
    events,
    probe: await probeOf(config, cgroupPath, datapath, events, log.child({ part: "probe" })),
    foreignProxies: new ForeignProxies({
      nodeName: config.nodeName,
      log,
      record: (event) => events?.record(event),
    }),
    startedAt: new Date(),
  };
}

function probeOf(
  { cgroupPath: chosen, nodeName }: AgentConfig,
  cgroupPath: string,
  datapath: Datapath,
  events: EventRecorder | undefined,
  log: Log,
): Promise<Probe> {
  const teller = new ProbeTeller(nodeName, log, (event) => events?.record(event));
  return Probe.start({
    datapath,
    cgroupPath,
    isChosen: chosen !== undefined,
    onVerdict: (verdict) => teller.tell(verdict),
    onReattached: (programs) => teller.reattached(programs),
  });
}

function huntOf({ staleSockets }: Datapath, log: Log): StaleSocketHunt | undefined {
  if (staleSockets === undefined) return undefined;
  return new StaleSocketHunt(
    (known) => destroyStaleSockets(staleSockets, known),
    ({ destroyed, problems }) => {
      for (const problem of problems) log.warn(problem);
      log.info("UDP sockets were connected to backends that have gone", { destroyed });
    },
  );
}

function sayWhatStands({ config, cgroupPath, datapath, reconciler }: Parts, log: Log): void {
  const { services, backends } = reconciler.usage;
  log.info(`sluice ${version} serves ${cgroupPath}`, {
    node: config.nodeName,
    pinPath: config.pinPath,
    adopted: datapath.adopted.length > 0,
    services: services.entries,
    frontends: reconciler.frontends,
    backends: backends.entries,
  });
  const stray = strayCgroup(cgroupPath, config.cgroupPath !== undefined);
  if (stray !== undefined) log.warn(stray);
  for (const kept of keptSizes(config, datapath)) log.warn(kept);
  for (const { name, state, reason } of datapath.features) {
    if (state === "off") log.warn(`${name} is off`, { reason });
  }
  for (const finding of reconciler.findings) log.warn("the maps were inconsistent", { ...finding });
}

function defaultCgroup(): string {
  const path = existsSync("/proc/mounts") && findCgroup2(readFileSync("/proc/mounts", "utf8"));
  if (path) return path;
  throw new DatapathError(
    "cgroup",
    "find cgroup",
    "/proc/mounts",
    'no cgroup2 file system is mounted: run "mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified", or name one with --cgroup-path',
  );
}
