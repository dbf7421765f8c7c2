import { Reason } from "../../../bpf/build/layout.ts";
import { type Flow, turned } from "./connection.ts";
import { whereabouts } from "./established.ts";
import { sent } from "./forward.ts";
import { type Parsed, SCTP, TCP } from "./headers.ts";
import type { Event, State } from "./model.ts";
import { dropped, type Outcome, STACK, untouched } from "./outcome.ts";
import { Rewrite } from "./rewrite.ts";
import { addressKey } from "./services.ts";

type IcmpError = Extract<Parsed, { kind: "error" }>;

const same = (one: Uint8Array, other: Uint8Array): boolean => addressKey(one) === addressKey(other);

/** An ICMP error goes the way of the packets that answer the embedded one (PF-29). */
export function errorOutcomes(state: State, event: Event, error: IcmpError): readonly Outcome[] {
  const { frame } = event;
  const flow = state.flows.get(turned(error.innerTuple));
  const pass = untouched(frame, "any");
  if (flow === undefined || !same(error.ip.destination, error.innerTuple.source)) return [pass];
  const where = place(event, flow, error);
  if (where === "elsewhere") return [pass];
  const checked = { [TCP]: [true, false], [SCTP]: [false] }[error.inner.protocol] ?? [true];
  const normal = sources(error, flow).flatMap((source) =>
    checked.flatMap((withTcpCheck) => translated(event, error, flow, source, withTcpCheck)),
  );
  return where === "here" && !error.dubious ? normal : [...normal, pass];
}

/** Errors about packets of a flow also come from the node itself, on their way out. */
function place(event: Event, flow: Flow, _error: IcmpError): "here" | "elsewhere" | "odd" {
  const where = whereabouts(event, flow);
  const { origin, masquerade } = flow.connection;
  if (event.hook === "to_outside" && flow.reply && origin === "outside")
    return masquerade ? "odd" : "here";
  return where;
}

/** The flow's own source is translated; a router on the way may keep its address or lose it. */
function sources({ ip, innerTuple }: IcmpError, { becomes }: Flow): readonly Uint8Array[] {
  return same(ip.source, innerTuple.destination) ? [becomes.source] : [ip.source, becomes.source];
}

function translated(
  event: Event,
  error: IcmpError,
  flow: Flow,
  source: Uint8Array,
  withTcpCheck: boolean,
): readonly Outcome[] {
  const { ip, inner } = error;
  const { becomes, path, connection } = flow;
  const make = (): Rewrite => {
    const rewrite = new Rewrite(event.frame);
    rewrite.error(
      ip,
      inner,
      { source, destination: becomes.destination },
      turned(becomes),
      withTcpCheck,
    );
    return rewrite;
  };
  const reason = Reason.ICMP_TRANSLATED;
  const climb = { name: "to the stack", verdict: STACK, packet: make().bytes, reason };
  if (event.hook === "to_outside" || !connection.skips) return [climb];
  if (path.kind === "stack") return [dropped(Reason.DROPPED_NO_ROUTE)];
  const hops = event.frame[ip.at + (ip.isIp6 ? 7 : 8)] ?? 0;
  // RFC 1122 3.2.2: no error about an error.
  if (hops <= 1) return [dropped(Reason.DROPPED_TTL), ...(connection.masquerade ? [] : [climb])];
  const rewrite = make();
  rewrite.hop(ip);
  const out = { ...sent(rewrite, path), reason };
  return connection.masquerade ? [out] : [out, climb];
}
