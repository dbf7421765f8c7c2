import type { Protocol } from "../model/address.ts";
import type { PacketPath } from "../network/state.ts";
import type { PortRange } from "./flow_settings.ts";
import type { FlowStateName } from "./flow_state.ts";
import type { FlowTimeouts } from "./flow_timeouts.ts";

/** The flows that are translated per packet, as a whole. */
export interface FlowsReport {
  /** As the last sweep left them; null: none has been made, or the kernel cannot sweep. */
  readonly inUse: number | null;
  readonly capacity: number;
  /** Since the start, by the state in which they were when they had been idle for too long. */
  readonly expired: Readonly<Record<FlowStateName, number>>;
  readonly lastSweepSeconds: number | null;
  readonly timeoutSeconds: FlowTimeouts;
  /** Source ports of masqueraded flows. */
  readonly snatPorts: PortRange;
}

export interface EndpointReport {
  readonly address: string;
  readonly port: number;
}

/** How the packets of one direction leave the node. */
export interface PathReport {
  readonly kind: PacketPath;
  /** Where the packet is sent to; null where the stack decides. */
  readonly device: string | null;
}

/** Whose flow it is, and how the backend was chosen; the choice itself is not kept. */
export interface FlowServiceReport {
  readonly namespace: string;
  readonly name: string;
  readonly portName: string;
  readonly algorithm: "random" | "maglev";
  /** 0: no session affinity. */
  readonly affinityTimeoutSeconds: number;
}

/** One flow: which client got which backend. */
export interface FlowReport {
  readonly protocol: Protocol;
  readonly client: EndpointReport;
  /** What the client asked for. */
  readonly frontend: EndpointReport;
  readonly backend: EndpointReport;
  /** The client as the backend sees it; null: as it is. */
  readonly masquerade: EndpointReport | null;
  /** Null: the Service has gone, and its index may be someone else's. */
  readonly service: FlowServiceReport | null;
  readonly state: FlowStateName;
  /** Since the last packet of either direction, give or take a second. */
  readonly idleSeconds: number;
  readonly requestPath: PathReport;
  /** Null: evicted; the next packet from the client makes it anew (PF-28). */
  readonly replyPath: PathReport | null;
}
