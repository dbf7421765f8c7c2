import { Reason } from "../../../bpf/build/layout.ts";
import type { Hook } from "../rig/rig.ts";
import type { WorldDevice } from "../world.ts";
import { isOpening } from "./answer.ts";
import { type Configuration, timeouts } from "./configuration.ts";
import { type Connection, Flows } from "./connection.ts";
import { errorOutcomes } from "./errors.ts";
import { established } from "./established.ts";
import { freshOutcomes } from "./fresh.ts";
import { type Parsed, parse, type Tuple, UDP } from "./headers.ts";
import { matches, type Observed, type Outcome, untouched } from "./outcome.ts";
import { addressKey, Services } from "./services.ts";

/** A packet at a program, and what the program made of it. */
export interface Event {
  readonly hook: Hook;
  readonly device: WorldDevice;
  readonly frame: Uint8Array;
  readonly gsoSize: number;
  readonly observed: Observed;
}

/** Everything that outcomes depend on. */
export interface State {
  readonly configuration: Configuration;
  readonly services: Services;
  readonly flows: Flows;
  /** Ports by fragment. */
  readonly fragments: Map<string, Pick<Tuple, "sourcePort" | "destinationPort">>;
  /** Backend's place and generation by client and service. */
  readonly affinities: Map<string, { readonly place: number; readonly generation: number }>;
  /** Backend's place by what Maglev hashes. */
  readonly picks: Map<string, number>;
}

export type Judgement =
  | { readonly ok: true; readonly outcome: Outcome }
  | { readonly ok: false; readonly allowed: readonly Outcome[] };

/**
 * What the per-packet programs may do, from kube-proxy's rules (KP), the pitfalls (PF) and the
 * RFCs. Where they are free (which backend, which port) the model follows what it observes.
 */
export class Model {
  #state: State;

  constructor(configuration: Configuration) {
    this.#state = {
      configuration,
      services: new Services(configuration),
      flows: new Flows(),
      fragments: new Map(),
      affinities: new Map(),
      picks: new Map(),
    };
  }

  get flows(): Flows {
    return this.#state.flows;
  }

  /** Flows, fragments and affinities stay. */
  configure(configuration: Configuration): void {
    const services = new Services(configuration);
    this.#state = { ...this.#state, configuration, services, picks: new Map() };
  }

  forget(): void {
    this.#state.flows.clear();
    this.#state.fragments.clear();
    this.#state.affinities.clear();
  }

  /** Every flow has lain idle for so many seconds, or every affinity beyond its timeout. */
  idle(what: "flows" | "affinities", seconds: number): void {
    if (what === "affinities") this.#state.affinities.clear();
    else
      for (const connection of this.flows.connections()) {
        connection.expired = seconds > timeoutTicks(connection) * secondsPerTick;
      }
  }

  /** Whether the program did what it may; then that is so from now on. */
  judge(event: Event): Judgement {
    const allowed = outcomes(this.#state, event);
    const outcome = allowed.find((each) => matches(each, event.observed));
    if (outcome === undefined) return { ok: false, allowed };
    outcome.commit?.();
    return { ok: true, outcome };
  }
}

const secondsPerTick = 2 ** 30 / 1e9;

function timeoutTicks({ request, answered }: Connection): number {
  if (request.protocol !== UDP) return answered ? timeouts.tcpEstablished : timeouts.tcpOpening;
  return answered ? timeouts.udpStream : timeouts.udp;
}

function outcomes(state: State, event: Event): readonly Outcome[] {
  const { frame, hook, device } = event;
  // At ingress, what is addressed to another host is another host's.
  if (hook === "from_outside" && !isFor(device, frame)) return [untouched(frame)];
  return regular(state, event, parse(frame, event.gsoSize > 0));
}

function regular(state: State, event: Event, parsed: Parsed): readonly Outcome[] {
  const { frame } = event;
  switch (parsed.kind) {
    case "foreign":
      return [untouched(frame)];
    case "malformed":
      return [untouched(frame, "any")];
    case "routing":
      return [untouched(frame, Reason.ROUTING_HEADER)];
    case "later":
      return laterFragment(state, event, parsed);
    case "error":
      return errorOutcomes(state, event, parsed);
    case "segment": {
      noteFragment(state, parsed);
      const normal = segmentOutcomes(state, event, parsed);
      return parsed.dubious ? [...normal.map(doubtful), doubtful(untouched(frame))] : normal;
    }
  }
}

const doubtful = (outcome: Outcome): Outcome => ({ ...outcome, reason: "any", uncertain: true });

/** PACKET_HOST: the frame is addressed to the device. */
const isFor = (device: WorldDevice, frame: Uint8Array): boolean =>
  Buffer.from(frame.subarray(0, 6)).toString("hex") === device.mac.replaceAll(":", "");

type Segment = Extract<Parsed, { kind: "segment" }>;

function segmentOutcomes(state: State, event: Event, segment: Segment): readonly Outcome[] {
  const { tuple, tcpFlags } = segment;
  const flow = state.flows.get(tuple);
  if (flow !== undefined) return established(state, event, segment, flow);
  if (event.hook === "to_outside") return [untouched(event.frame)];
  if (tuple.protocol !== UDP && !isOpening(tcpFlags)) return [untouched(event.frame, "any")];
  return freshOutcomes(state, event, segment, undefined);
}

const fragmentKey = (ip: Segment["ip"]): string =>
  `${ip.protocol} ${addressKey(ip.source)} ${addressKey(ip.destination)} ${ip.fragment?.id}`;

function noteFragment(state: State, { ip, tuple }: Segment): void {
  if (ip.fragment?.more) {
    const { sourcePort, destinationPort } = tuple;
    state.fragments.set(fragmentKey(ip), { sourcePort, destinationPort });
  }
}

/** A fragment without ports takes those of the first one (PF-29). */
function laterFragment(
  state: State,
  event: Event,
  { ip }: Extract<Parsed, { kind: "later" }>,
): readonly Outcome[] {
  const pass = doubtful(untouched(event.frame));
  const ports = state.fragments.get(fragmentKey(ip));
  if (ports === undefined)
    return [untouched(event.frame, ip.dubious ? "any" : Reason.FRAGMENT_WITHOUT_FIRST)];
  const { source, destination, protocol } = ip;
  const tuple = { source, destination, protocol, ...ports };
  const flow = state.flows.get(tuple);
  const segment: Segment = { kind: "segment", ip, tuple, tcpFlags: 0, dubious: ip.dubious };
  if (flow === undefined) {
    if (event.hook === "to_outside" || protocol !== UDP) return [pass];
    // What became of the first one is what may become of this one.
    return [...freshOutcomes(state, event, segment, undefined).map(doubtful), pass];
  }
  const normal = established(state, event, segment, flow);
  return ip.dubious ? [...normal.map(doubtful), pass] : normal;
}
