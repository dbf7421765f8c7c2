import { DeviceFlag, Reason } from "../../../bpf/build/layout.ts";
import type { WorldDevice } from "../world.ts";
import { type BackendSpec, slotsOf } from "./configuration.ts";
import { type Connection, type Origin, ownTuple, type Path } from "./connection.ts";
import { forward, isBeyondMending, type Segment, toStack } from "./forward.ts";
import type { Tuple } from "./headers.ts";
import type { Event, State } from "./model.ts";
import { DROP, dropped, type Outcome, untouched } from "./outcome.ts";
import { refused } from "./refusal.ts";
import { type Route, routeTo } from "./routing.ts";
import { addressKey, backendAddress, type Found } from "./services.ts";
import { plainTuple, snatSource, sourcePorts } from "./source_port.ts";

/** What may become of the first packet of a connection; `old`: the one that it takes the place of. */
export function freshOutcomes(
  state: State,
  event: Event,
  segment: Segment,
  old: Connection | undefined,
): readonly Outcome[] {
  const origin: Origin = event.hook === "from_pod" ? "pod" : "outside";
  const found = state.services.find(segment.tuple);
  if (found === undefined) {
    return [{ ...untouched(event.frame), commit: () => state.flows.giveWay(segment.tuple) }];
  }
  if (found === "unserved") return refused(event, segment, Reason.REFUSED_NO_SERVICE);
  const fromOutside = origin === "outside" && found.kind === "ClusterIP";
  if (fromOutside && !state.configuration.settings?.clusterIpFromOutside)
    return [untouched(event.frame)];
  if (!state.services.mayUse(found, segment.tuple.source))
    return [dropped(Reason.DROPPED_SOURCE_RANGE)];
  return selected(state, event, segment, { origin, found, old });
}

interface Wish {
  readonly origin: Origin;
  readonly found: Found;
  readonly old: Connection | undefined;
}

/** KP-10, KP-14: what starts in a pod uses the cluster slice of external addresses. */
function sliceOf({ origin, found: { kind, service } }: Wish): "cluster" | "local" {
  if (kind === "ClusterIP") return service.internalLocal ? "local" : "cluster";
  return origin === "outside" && service.externalLocal ? "local" : "cluster";
}

function selected(state: State, event: Event, segment: Segment, wish: Wish): readonly Outcome[] {
  const { service, kind } = wish.found;
  const slice = sliceOf(wish);
  const slots = slotsOf(service, slice);
  if (slots.length === 0) {
    const refusal = refused(event, segment, Reason.REFUSED_NO_ENDPOINT);
    if (slice === "cluster" || slotsOf(service, "cluster").length === 0) return refusal;
    const silent = dropped(Reason.DROPPED_NO_LOCAL_ENDPOINT);
    return kind === "ClusterIP" ? refusal : [silent];
  }
  const all = eligible(state, segment, wish, slots).flatMap((place) => [
    ...connected(state, event, segment, wish, slice, place),
    ...oddWay(event, segment, service.backends[place]),
  ]);
  // What a flow that could not be made anew was may be forgotten already.
  return wish.old
    ? all.map((each) => (each.verdict === DROP ? { ...each, uncertain: true } : each))
    : all;
}

/** The FIB knows no way for addresses that nobody has: what they send may be left to the stack. */
function oddWay(
  event: Event,
  segment: Segment,
  backend: BackendSpec | undefined,
): readonly Outcome[] {
  if (!segment.dubious || backend === undefined) return [];
  const becomes = plainTuple(segment, backend, backendAddress(backend));
  return [toStack(event, segment, becomes), dropped(Reason.DROPPED_NO_ROUTE)].map((each) => ({
    ...each,
    uncertain: true,
  }));
}

const affinityKey = ({ source }: Tuple, { place }: Found): string =>
  `${addressKey(source)} ${place}`;

/** The places of the backends that may be picked: one where affinity (KP-28) or the hash decides. */
function eligible(state: State, { tuple }: Segment, { found }: Wish, slots: readonly number[]) {
  const { service } = found;
  const held = service.affinitySeconds
    ? state.affinities.get(affinityKey(tuple, found))
    : undefined;
  if (held !== undefined && slots.includes(held.place)) {
    const generation = service.backends[held.place]?.generation ?? 1;
    if (generation === held.generation) return [held.place];
  }
  const pick = service.maglev && state.picks.get(hashed(tuple, found));
  return pick === undefined ? [...new Set(slots)] : [pick];
}

/** What Maglev hashes: where the Service has affinity, the client alone. */
function hashed(tuple: Tuple, { service, place }: Found): string {
  const client = addressKey(tuple.source);
  if (service.affinitySeconds) return `${place} ${client}`;
  return `${place} ${client}:${tuple.sourcePort} ${addressKey(tuple.destination)}:${tuple.destinationPort} ${tuple.protocol}`;
}

function connected(
  state: State,
  event: Event,
  segment: Segment,
  wish: Wish,
  slice: "cluster" | "local",
  place: number,
): readonly Outcome[] {
  const backend = wish.found.service.backends[place];
  if (backend === undefined) return [];
  const address = backendAddress(backend);
  const route = routeTo(address);
  const hairpin = wish.origin === "pod" && addressKey(address) === addressKey(segment.tuple.source);
  const masquerade = hairpin || (wish.origin === "outside" && !backend.local);
  if (route.kind === "none") {
    const lost = dropped(Reason.DROPPED_NO_ROUTE, true);
    if (masquerade) return [lost];
    return [
      lost,
      {
        ...toStack(event, segment, plainTuple(segment, backend, address)),
        reason: "any",
        uncertain: true,
      },
    ];
  }
  const source = masquerade ? snatSource(state, segment, route) : segment.tuple.source;
  if (source === undefined) return [dropped(Reason.DROPPED_NO_SNAT_ADDRESS)];
  const ports = sourcePorts(
    state,
    event,
    segment,
    { source, address, backend, masquerade },
    wish.old,
  );
  if (ports === "none") return [dropped(Reason.DROPPED_NO_SNAT_PORT)];
  return ports.flatMap((sourcePort) => {
    const translated = { ...plainTuple(segment, backend, address), source, sourcePort };
    const connection = connectionOf(state, event, segment, wish, {
      slice,
      place,
      backend,
      translated,
      masquerade,
      route,
    });
    return sentOut(state, event, segment, wish, connection);
  });
}

interface Made {
  readonly slice: "cluster" | "local";
  readonly place: number;
  readonly backend: BackendSpec;
  readonly translated: Tuple;
  readonly masquerade: boolean;
  readonly route: Route;
}

function connectionOf(
  { configuration }: State,
  { device }: Event,
  { tuple }: Segment,
  { origin, found }: Wish,
  { slice, place, backend, translated, masquerade, route }: Made,
): Connection {
  const flagsOf = ({ name, flags }: WorldDevice): number =>
    configuration.deviceFlags?.[name] ?? flags;
  const isFast = (device: WorldDevice): boolean => (flagsOf(device) & DeviceFlag.FAST) !== 0;
  const bothFast = route.kind === "device" && isFast(device) && isFast(route.device);
  const skips = masquerade || bothFast;
  const pathOf = (to: Route): Path => (skips && to.kind === "device" ? to : { kind: "stack" });
  return {
    origin,
    service: found.place,
    backend: place,
    generation: backend.generation ?? 1,
    slice,
    masquerade,
    local: backend.local === true,
    skips,
    request: ownTuple(tuple),
    translated: ownTuple(translated),
    requestPath: pathOf(route),
    replyPath: pathOf(routeTo(tuple.source)),
    closing: false,
    answered: false,
    expired: false,
  };
}

function sentOut(
  state: State,
  event: Event,
  segment: Segment,
  wish: Wish,
  connection: Connection,
): readonly Outcome[] {
  const { requestPath, translated, masquerade } = connection;
  const all = isBeyondMending(segment, translated)
    ? [dropped(Reason.DROPPED_FRAGMENT, true)]
    : requestPath.kind === "stack"
      ? [toStack(event, segment, translated)]
      : forward(event, segment, translated, requestPath, !masquerade);
  return all.map((outcome) => ({
    ...outcome,
    reason: outcome.reason ?? (wish.old ? Reason.RESELECTED_FLOW : Reason.NEW_FLOW),
    commit: () => {
      remember(state, segment, wish, connection);
      // What was answered or dropped does not show which backend it was.
      if (!outcome.uncertain) notePick(state, segment, wish, connection);
    },
  }));
}

function remember(
  state: State,
  { tuple }: Segment,
  { found, old }: Wish,
  connection: Connection,
): void {
  const { backend: place, generation } = connection;
  if (old !== undefined) state.flows.evict(old, true);
  state.flows.add(connection);
  if (found.service.affinitySeconds) {
    state.affinities.set(affinityKey(tuple, found), { place, generation });
  }
}

function notePick(
  state: State,
  { tuple }: Segment,
  { found }: Wish,
  { backend }: Connection,
): void {
  if (found.service.maglev) state.picks.set(hashed(tuple, found), backend);
}
