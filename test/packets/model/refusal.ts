import { abort, icmpError, isWholeInit, mayRefuse, portUnreachable, reset } from "./answer.ts";
import type { Segment } from "./forward.ts";
import { SCTP, TCP } from "./headers.ts";
import type { Event } from "./model.ts";
import { dropped, type Outcome, REDIRECT, untouched } from "./outcome.ts";

/** KP-14, KP-31, PF-30: told at once, unless nobody may be told. */
export function refused(event: Event, segment: Segment, reason: number): readonly Outcome[] {
  const { frame } = event;
  const { ip, tuple, tcpFlags } = segment;
  const question = { frame, ip, tuple, tcpFlags };
  if (!mayRefuse(question)) {
    return [dropped(reason), untouched(frame, "any")];
  }
  const unreachable = icmpError(question, portUnreachable(ip.isIp6));
  const isPlain = ip.transportAt - ip.at === (ip.isIp6 ? 40 : 20) && ip.fragment === undefined;
  if (tuple.protocol === SCTP && isPlain) {
    if (!isWholeInit(question)) return [dropped(reason)];
    return [{ name: "refused", verdict: REDIRECT, packet: abort(question), reason }];
  }
  const judges =
    tuple.protocol !== TCP
      ? [unreachable]
      : isPlain
        ? [reset(question)]
        : [reset(question), unreachable];
  return judges.map((packet) => ({ name: "refused", verdict: REDIRECT, packet, reason }));
}
