import { protocolName } from "../../agent/datapath/protocol.ts";
import type { Twin } from "../../agent/datapath/twin.ts";
import { addressText } from "../../agent/model/ip.ts";
import { textOfKey } from "../../agent/reconcile/frontend_text.ts";
import { liveBackends } from "../../agent/reconcile/live_backends.ts";
import { keyOfName } from "../../agent/reconcile/service_name.ts";
import type { ServiceName } from "../../bpf/build/layout.ts";

/** What clients of one frontend may meet: every backend, by address and port; none: refused. */
export interface Answer {
  /** The Service port that the frontend leads to. */
  readonly owner: string;
  readonly backends: ReadonlySet<string>;
}

/** The owner of a service whose name could not be written: nobody can say what it should answer. */
export const unnamed = "unnamed";

/** How clients fare. */
export interface State {
  /** By frontend. */
  readonly answers: ReadonlyMap<string, Answer>;
  /** By Service port, every endpoint that a slice of it may hold, whatever its policy. */
  readonly endpoints: ReadonlyMap<string, ReadonlySet<string>>;
}

export const stateOf = (twin: Twin): State => ({
  answers: answersOf(twin),
  endpoints: endpointsOf(twin),
});

/** Asks every frontend of the maps for every pick that its slice allows. Throws at a dead end. */
export function answersOf(twin: Twin): ReadonlyMap<string, Answer> {
  const names = new Map(twin.names.entries());
  const answers = new Map<string, Answer>();
  for (const [key, { service }] of twin.frontends.entries()) {
    const protocol = protocolName(key.protocol);
    const name = names.get(service);
    if (protocol === undefined) throw new Error(`${textOfKey(key)}: no such protocol`);
    if (twin.services.flags(service) === 0) throw new Error(`${textOfKey(key)} leads to nobody`);
    const address = addressText(key.address, 0);
    const backends = everyBackend((pick) => twin.lookup(address, key.port, protocol, pick));
    answers.set(textOfKey(key), { owner: name === undefined ? unnamed : ownerOf(name), backends });
  }
  return answers;
}

function everyBackend(
  look: (pick: (count: number) => number) => ReturnType<Twin["lookup"]>,
): ReadonlySet<string> {
  const backends = new Set<string>();
  let choices = 1;
  for (let choice = 0; choice < choices; choice++) {
    const got = look((count) => {
      choices = count;
      return choice;
    });
    if (got.kind === "refused") return backends;
    if (got.kind === "unknown") throw new Error("a slot or frontend that leads nowhere");
    if (got.retired) throw new Error(`${got.address}:${got.port} is dead and still chosen`);
    backends.add(`${got.address}:${got.port}`);
  }
  return backends;
}

function ownerOf(name: ServiceName): string {
  const key = keyOfName(name);
  if (key === undefined) throw new Error(`no name: ${JSON.stringify(name)}`);
  return key;
}

function endpointsOf(twin: Twin): ReadonlyMap<string, ReadonlySet<string>> {
  const endpoints = new Map<string, ReadonlySet<string>>();
  for (const [service, name] of twin.names.entries()) {
    const live = liveBackends(twin, service).byEndpoint.values();
    const texts = Array.from(live, ({ index }) => {
      const address = addressText(twin.backends.address(index), 0);
      return `${address}:${twin.backends.port(index)}`;
    });
    endpoints.set(ownerOf(name), new Set(texts));
  }
  return endpoints;
}

/**
 * What is wrong with the maps in between two states: a frontend that stood before and stands after
 * must be there, belong to one of its two owners, choose from what that owner had or will have, and
 * refuse only if one of the two states does. (One that changes hands while the owner that loses it
 * loses its endpoints too may refuse in between.)
 */
export function faultsBetween(before: State, now: State, after: State): readonly string[] {
  const faults: string[] = [];
  for (const [frontend, was] of before.answers) {
    const will = after.answers.get(frontend);
    const is = now.answers.get(frontend);
    if (will === undefined) continue;
    if (is === undefined) {
      faults.push(`${frontend} is missing`);
      continue;
    }
    const { owner, backends } = is;
    if (owner === unnamed || was.owner === unnamed) continue;
    if (owner !== was.owner && owner !== will.owner) faults.push(`${frontend} is ${owner}'s`);
    const mayRefuse = owner !== will.owner && after.endpoints.has(owner);
    if (backends.size === 0 && was.backends.size > 0 && will.backends.size > 0 && !mayRefuse) {
      faults.push(`${frontend} refuses`);
    }
    for (const backend of backends) {
      const had = before.endpoints.get(owner)?.has(backend);
      const has = after.endpoints.get(owner)?.has(backend);
      if (!had && !has) faults.push(`${frontend} answers as ${backend}`);
    }
  }
  return faults;
}
