import { FlowState, FlowTcp } from "../../bpf/build/layout.ts";
import { protocolNumber } from "./protocol.ts";

/** How far a flow has come: enum flow_state of maps.h, in words. */
export type FlowStateName = Lowercase<keyof typeof FlowState>;

/** In the order of their numbers. */
export const flowStates = Object.entries(FlowState)
  .sort(([, a], [, b]) => a - b)
  .map(([name]) => name.toLowerCase() as FlowStateName);

/** Of two directions that have shown these enum flow_tcp; as `flow_state` of bpf/flow_state.h. */
export function flowStateOf(protocol: number, request: number, reply: number): FlowStateName {
  const either = request | reply;
  const isAnswered = (reply & FlowTcp.TCP_ACK) !== 0;
  if (protocol === protocolNumber.UDP) return isAnswered ? "stream" : "unreplied";
  if ((either & FlowTcp.TCP_RST) !== 0) return "closed";
  if ((request & reply & FlowTcp.TCP_FIN) !== 0) return "closed";
  if ((either & FlowTcp.TCP_FIN) !== 0) return "closing";
  return isAnswered ? "established" : "opening";
}
