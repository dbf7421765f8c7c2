import type { AgentStatus, AuditDump } from "../serve/dump.ts";
import { duration } from "./duration.ts";
import { flowFields, packetRows, packetTitles } from "./flow_status.ts";
import { fields, table } from "./table.ts";

/** An agent's status for people: the whole first, then a table for each kind of part. */
export function statusTable(status: AgentStatus): string {
  return [...notReady(status), overview(status), ...parts(status)].join("\n");
}

/** First of all what is wrong. */
function notReady({ readiness }: AgentStatus): readonly string[] {
  const failing = readiness.filter(({ healthy }) => !healthy);
  return part(
    ["NOT READY", "REASON"],
    failing.map(({ name, reason }) => [name, reason ?? ""]),
  );
}

function overview({ version, node, kernelRelease, uptimeSeconds, ...rest }: AgentStatus): string {
  const { source, datapath, sync, probe } = rest;
  const { p50Microseconds, p99Microseconds, maxMicroseconds } = sync.publishLatency;
  const { frontends, services, slots, backends, names } = sync.writes;
  return fields([
    ["Agent", `sluice ${version}, up ${duration(uptimeSeconds)}`],
    ["Node", `${node.name}${node.zone === null ? "" : `, zone ${node.zone}`}`],
    ["Kernel", kernelRelease],
    ["Source", `${source.kind} ${source.target}`.trim()],
    ["Pins", datapath.pinPath],
    ["Cgroup", datapath.cgroupPath],
    ["Synced", sync.ready ? "yes" : "no, the source has not been read in full"],
    [
      "Programmed",
      `${sync.services} Service ports, ${sync.frontends} frontends, ${sync.backends} backends`,
    ],
    [
      "Probe",
      probe.reason === null ? probe.state : `${probe.state} since ${probe.since}: ${probe.reason}`,
    ],
    ["Published", sync.lastPublishedAt ?? "never"],
    [
      "Latency",
      `p50 ${micro(p50Microseconds)}, p99 ${micro(p99Microseconds)}, max ${micro(maxMicroseconds)}`,
    ],
    [
      "Written",
      `${frontends} frontends, ${services} services, ${slots} slots, ${backends} backends, ${names} names`,
    ],
    ["Stale sockets", `${sync.staleSocketsDestroyed} destroyed`],
    ["Audits", audits(sync.audits)],
    ...flowFields(datapath.flows),
  ]);
}

function parts({
  source,
  datapath,
  failures,
  leftToNode,
  problems,
}: AgentStatus): readonly string[] {
  return [
    part(
      ["RESOURCE", "SYNCED", "OBJECTS", "LISTS", "LAST EVENT", "ERROR"],
      source.resources.map((it) => [
        it.resource,
        yesNo(it.synced),
        `${it.objects}`,
        `${it.lists}`,
        it.lastEventAt ?? "never",
        it.error ?? "",
      ]),
    ),
    part(
      ["PROGRAM", "ATTACHED", "REASON"],
      datapath.programs.map((it) => [it.name, yesNo(it.attached), it.reason ?? ""]),
    ),
    part(
      ["DEVICE", "ROLE", "PATH", "ATTACHED", "WHY"],
      datapath.devices.map((it) => [
        it.name,
        it.role,
        it.path,
        it.hook ?? "no",
        it.problem ?? `${it.roleReason}; ${it.pathReason}`,
      ]),
    ),
    part(
      ["FEATURE", "STATE", "REASON"],
      datapath.features.map((it) => [it.name, it.state, it.reason]),
    ),
    part(packetTitles, packetRows(datapath.packets)),
    part(
      ["MAP", "ENTRIES", "CAPACITY", "FULL", "MEMORY"],
      datapath.maps.map(({ name, entries, capacity, memoryBytes }) => [
        name,
        `${entries}`,
        `${capacity}`,
        `${((100 * entries) / capacity).toFixed(1)}%`,
        `${(memoryBytes / 1024).toFixed(0)} KiB`,
      ]),
    ),
    part(
      ["NOT PROGRAMMED", "SINCE", "RETRIES", "REASON"],
      failures.map((it) => [it.service, it.since, `${it.retries}`, it.message]),
    ),
    part(
      ["LEFT TO THE NODE", "SERVICE", "REASON"],
      leftToNode.map(({ address, service, device }) => [
        address,
        service,
        `device ${device} has it: whoever listens there answers`,
      ]),
    ),
    part(
      ["LEFT OUT", "REASON"],
      problems.map((it) => [it.target, it.message]),
    ),
  ].flat();
}

/** No table where there are no rows. */
function part(titles: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  return rows.length === 0 ? [] : [table(titles, rows)];
}

function audits({ count, lastAt, repairs }: AuditDump): string {
  const mended = Object.entries(repairs).filter(([, found]) => found > 0);
  const found = mended.map(([map, times]) => `${times} in ${map}`).join(", ");
  return `${count}, the last ${lastAt ?? "never"}; mended: ${found || "nothing"}`;
}

function micro(microseconds: number): string {
  return `${Math.round(microseconds)} µs`;
}

function yesNo(it: boolean): string {
  return it ? "yes" : "no";
}
