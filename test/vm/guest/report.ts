import type { FlowReport } from "../../../agent/datapath/flow_report.ts";
import type { AgentStatus } from "../../../agent/serve/dump.ts";

/** What a client saw: the backend that answered, at which address, or the error that it met. */
export type Outcome =
  | { readonly backend: string; readonly peer: string }
  | { readonly error: string };

export type ClientName =
  | "tcp4"
  | "tcp6"
  | "tcpMapped"
  | "udp4"
  | "udp6"
  | "udpConnected4"
  | "udpConnected6";

export type Outcomes = Readonly<Record<ClientName, Outcome>>;

/** Of clients whose connections are translated packet by packet. */
export type PacketOutcomes = Readonly<Record<"tcp4" | "tcp6" | "udp4" | "udp6", Outcome>>;

export type SctpOutcomes = Readonly<Record<"sctp4" | "sctp6", Outcome>>;

/** Of SCTP clients, all of them translated packet by packet. */
export interface SctpReport {
  /** Outside, to the node's NodePorts, by what answers for them. */
  readonly outside: Readonly<Record<"pod" | "remote" | "host", SctpOutcomes>>;
  /** In a pod, to a ClusterIP whose backend is elsewhere. */
  readonly inPod: SctpOutcomes;
  /** In a pod, to the ClusterIP of which it is the backend itself. */
  readonly hairpin: SctpOutcomes;
  /** `sluice flow list -o json`, once all of those had their answers. */
  readonly flows: readonly FlowReport[];
  /** Of the node itself, to a ClusterIP. */
  readonly onNode: SctpOutcomes;
  /** In a pod, to a Service without endpoints. */
  readonly refused: SctpOutcomes;
  /** Outside, to a NodePort without endpoints. */
  readonly refusedOutside: SctpOutcomes;
}

/** What one guest run tells its host, on one line that starts with `REPORT_MARK`. */
export interface Report {
  readonly kernel: string;
  /** `sluice status -o json`. */
  readonly status: AgentStatus;
  /** Before the agent was started. */
  readonly before: Outcome;
  readonly served: Outcomes;
  /** To a Service without endpoints. */
  readonly refused: Outcomes;
  /** To a port of a ClusterIP that nobody serves, by sockets of the node. */
  readonly unserved: Outcome;
  /** Of the node's sockets to a NodePort at their own loopback. */
  readonly loopback: PacketOutcomes;
  /** Of a client outside, to the node's NodePorts, by what answers for them. */
  readonly outside: Readonly<Record<"pod" | "remote" | "host", PacketOutcomes>>;
  /** Of a client in a pod that no hook sees, to a ClusterIP. */
  readonly inPod: PacketOutcomes;
  readonly sctp: SctpReport;
  /** What a connected UDP socket met when its backend had gone; null: nothing, until the deadline. */
  readonly staleSocketError: string | null;
  /** What answered over a connected UDP socket whose backend had stayed. */
  readonly keptSocket: string;
  /** A new client of the Service whose only backend was exchanged. */
  readonly moved: Outcome;
  /** After the agent was killed. */
  readonly unattended: Outcome;
  /** The status of a new agent over the same pins. */
  readonly adopted: AgentStatus;
  /** After `sluice cleanup`. */
  readonly afterwards: Outcome;
}

export const REPORT_MARK = "REPORT ";
