import { Reason } from "../../../bpf/build/layout.ts";
import { isOpening } from "./answer.ts";
import { isInSlice } from "./configuration.ts";
import type { Connection, Flow } from "./connection.ts";
import { forward, isBeyondMending, type Segment, toStack } from "./forward.ts";
import { freshOutcomes } from "./fresh.ts";
import { FIN, RST, UDP } from "./headers.ts";
import type { Event, State } from "./model.ts";
import { dropped, type Outcome, untouched } from "./outcome.ts";

/** What may become of a packet whose flow is known. */
export function established(
  state: State,
  event: Event,
  segment: Segment,
  flow: Flow,
): readonly Outcome[] {
  const where = whereabouts(event, flow);
  const pass = untouched(event.frame, "any");
  if (where === "elsewhere") return [pass];
  const normal = translated(state, event, segment, flow);
  if (
    !flow.reply &&
    event.hook !== "to_outside" &&
    needsSelection(state, segment, flow.connection)
  ) {
    const anew = renewed(state, event, segment, flow.connection);
    return segment.dubious || where === "odd" ? [...anew, ...normal, pass] : anew;
  }
  return where === "here" ? normal : [...normal, ...stackToo(event, segment, flow), pass];
}

/** A later fragment begins nothing: it goes where it says, and the first one will be sent again. */
function renewed(
  state: State,
  event: Event,
  segment: Segment,
  old: Connection,
): readonly Outcome[] {
  const fresh = freshOutcomes(state, event, segment, old);
  const isLater = (segment.ip.fragment?.offset ?? 0) > 0;
  return isLater ? [untouched(event.frame, "any"), ...fresh] : fresh;
}

const stackToo = (event: Event, segment: Segment, { becomes }: Flow): readonly Outcome[] => [
  { ...toStack(event, segment, becomes), reason: "any", uncertain: true },
];

/** Whether this is the program that translates it; "odd": it should not pass here at all. */
export function whereabouts({ hook }: Event, flow: Flow): "here" | "elsewhere" | "odd" {
  const { origin, local, skips } = flow.connection;
  const entry = flow.reply ? (local ? "from_pod" : "from_outside") : `from_${origin}`;
  if (!flow.reply || skips) return hook === entry ? "here" : "odd";
  return hook === "to_outside" ? "here" : "elsewhere";
}

/** UDP leaves a dead backend (PF-24, PF-27), and so does a connection that begins anew. */
function needsSelection(
  { configuration }: State,
  segment: Segment,
  connection: Connection,
): boolean {
  const { service, backend, slice, generation, expired } = connection;
  const spec = configuration.services[service]?.backends[backend];
  const live = spec && isInSlice(spec, slice) && (spec.generation ?? 1) === generation;
  if (segment.tuple.protocol === UDP) return !live || expired;
  return isOpening(segment.tcpFlags) && (!live || expired || connection.closing);
}

function translated(state: State, event: Event, segment: Segment, flow: Flow): readonly Outcome[] {
  const { connection } = flow;
  const found = way(event, segment, flow);
  const repaired = state.flows.isWhole(flow) ? undefined : Reason.REPAIRED_FLOW;
  return found.map((outcome) => ({
    ...outcome,
    reason: outcome.reason ?? repaired,
    commit: () => {
      outcome.commit?.();
      state.flows.repair(flow);
      connection.expired = false;
      connection.answered ||= flow.reply;
      if (segment.tuple.protocol !== UDP && segment.tcpFlags & (FIN | RST))
        connection.closing = true;
    },
  }));
}

function way(event: Event, segment: Segment, flow: Flow): readonly Outcome[] {
  const { path, connection, becomes } = flow;
  if (isBeyondMending(segment, becomes)) return [dropped(Reason.DROPPED_FRAGMENT)];
  const skips = connection.skips && event.hook !== "to_outside";
  if (skips && path.kind === "stack") return [dropped(Reason.DROPPED_NO_ROUTE)];
  if (path.kind === "stack" || !skips) return [toStack(event, segment, becomes)];
  return throughDevice(event, segment, flow, path);
}

function throughDevice(
  event: Event,
  segment: Segment,
  flow: Flow,
  path: Extract<Flow["path"], { kind: "device" }>,
): readonly Outcome[] {
  const { masquerade } = flow.connection;
  if (!flow.reply || masquerade) return forward(event, segment, flow.becomes, path, !masquerade);
  // The stack would take a reply from one of the node's own addresses for a martian: it gets the
  // packet as it came, and says itself that no hop is left.
  const there = forward(event, segment, flow.becomes, path, true);
  const isLast = there.some(({ name }) => name === "to the stack");
  return isLast ? [...there, untouched(event.frame, "any")] : there;
}
