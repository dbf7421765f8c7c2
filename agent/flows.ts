import { attachIter, type BpfLink } from "libbpf-ts";
import type { AgentConfig } from "./config/settings.ts";
import { FlowCollector, unswept } from "./datapath/flow_collector.ts";
import type { FlowsReport } from "./datapath/flow_report.ts";
import { snatPortsOf, writeFlowTimeouts } from "./datapath/flow_settings.ts";
import { sweepFlows } from "./datapath/flow_sweep.ts";
import { type FlowTimeouts, resolveFlowTimeouts } from "./datapath/flow_timeouts.ts";
import type { Datapath } from "./datapath/open.ts";
import { EXPIRED_FLOWS } from "./datapath/optional_parts.ts";
import type { Log } from "./log.ts";

/** What the agent does for the flows that are translated per packet. */
export interface Flows {
  status(): FlowsReport;
  /** Resolves when no sweep is under way any more. */
  stop(): Promise<void>;
}

type FlowConfig = Pick<
  AgentConfig,
  | "tcpOpeningTimeout"
  | "tcpEstablishedTimeout"
  | "tcpClosingTimeout"
  | "tcpClosedTimeout"
  | "udpTimeout"
  | "udpStreamTimeout"
>;

/**
 * Tells the programs how long flows are kept, and from then on ends those that have been idle for
 * longer.
 */
export function startFlows(datapath: Datapath, config: FlowConfig, log: Log): Flows {
  const { settings } = datapath.node;
  const timeoutSeconds = timeoutsOf(config);
  settings.keep("timeouts of flows", (it) => writeFlowTimeouts(it, timeoutSeconds));
  const capacity = Math.floor(datapath.capacity("flows") / ENTRIES_PER_FLOW);
  const iterator = expiredFlows(datapath);
  const failed = warnOnce(log, "idle flows stay");
  const collector = iterator && new FlowCollector(() => sweepFlows(iterator), failed, capacity);
  return {
    status: () => ({
      ...(collector?.usage() ?? unswept),
      capacity,
      timeoutSeconds,
      snatPorts: snatPortsOf(settings),
    }),
    async stop() {
      await collector?.stop();
      iterator?.close();
    },
  };
}

const timeoutsOf = (config: FlowConfig): FlowTimeouts =>
  resolveFlowTimeouts({
    tcpOpening: config.tcpOpeningTimeout,
    tcpEstablished: config.tcpEstablishedTimeout,
    tcpClosing: config.tcpClosingTimeout,
    tcpClosed: config.tcpClosedTimeout,
    udp: config.udpTimeout,
    udpStream: config.udpStreamTimeout,
  });

/** One for each direction. */
const ENTRIES_PER_FLOW = 2;

/** Undefined: the kernel has no iterator over maps, and flows go by eviction only. */
function expiredFlows({ devicePrograms }: Datapath): BpfLink | undefined {
  if (devicePrograms === undefined) return undefined;
  const { object } = devicePrograms;
  const program = object.programs.get(EXPIRED_FLOWS);
  return program && attachIter(program, { map: object.map("flows") });
}

/** Each message once, until another one comes. */
function warnOnce(log: Log, what: string): (error: unknown) => void {
  let told: string | undefined;
  return (error) => {
    const message = error instanceof Error ? error.message : String(error);
    if (message !== told) log.warn(`${what}: ${message}`);
    told = message;
  };
}
