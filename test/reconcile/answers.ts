import { protocolName } from "../../agent/datapath/protocol.ts";
import type { Client, Lookup, Twin } from "../../agent/datapath/twin.ts";
import { addressText } from "../../agent/model/ip.ts";
import { textOfKey } from "../../agent/reconcile/frontend_text.ts";
import { isGuard } from "../../agent/reconcile/guards.ts";
import { liveBackends } from "../../agent/reconcile/live_backends.ts";
import { keyOfName } from "../../agent/reconcile/service_name.ts";
import { type FrontendKey, FrontendKind, type ServiceName } from "../../bpf/build/layout.ts";

/** What clients of one frontend may meet: every backend, by address and port; none: refused. */
export interface Answer {
  /** The Service port that the frontend leads to. */
  readonly owner: string;
  readonly backends: ReadonlySet<string>;
  /** Of `clients`, those that are let in. */
  readonly admitted: ReadonlySet<string>;
}

/** The owner of a service whose name could not be written: nobody can say what it should answer. */
export const unnamed = "unnamed";

/** Those that source ranges of the tests tell apart. */
export const clients = ["192.0.2.1", "192.0.2.130", "198.51.100.1", "203.0.113.1"] as const;

/** An address of the node at which NodePorts are asked for. */
export const nodeAddresses = { 4: "172.16.0.1", 6: "fd00:16::1" } as const;

/** How clients fare. */
export interface State {
  /** By frontend, and for what is not only inside of the cluster by frontend and " from outside". */
  readonly answers: ReadonlyMap<string, Answer>;
  /** By Service port, every endpoint that a slice of it may hold, whatever its policy. */
  readonly endpoints: ReadonlyMap<string, ReadonlySet<string>>;
  /** Addresses with a frontend, whose unserved ports refuse. */
  readonly guarded: ReadonlySet<string>;
}

export const stateOf = (twin: Twin): State => ({
  answers: answersOf(twin),
  endpoints: endpointsOf(twin),
  guarded: guardedBy(twin),
});

/** One way to ask for a frontend, as a lookup that can be stopped midway. */
export interface Ask {
  readonly name: string;
  readonly service: number;
  begin(pick: (count: number) => number, client?: Client): () => Lookup;
}

export function asksOf(twin: Twin): readonly Ask[] {
  for (const address of Object.values(nodeAddresses)) twin.nodeAddresses.add(address);
  return [...twin.frontends.entries()].flatMap(([key, { service, kind }]) => {
    if (isGuard(key)) return [];
    const name = textOfKey(key);
    const protocol = protocolName(key.protocol);
    if (protocol === undefined) throw new Error(`${name}: no such protocol`);
    const at = (outside: boolean): Ask => ({
      name: outside ? `${name} from outside` : name,
      service,
      begin: (pick, client) =>
        twin.reader(addressAsked(key, kind), key.port, protocol, pick, { ...client, outside }),
    });
    return kind === FrontendKind.CLUSTER_IP ? [at(false)] : [at(false), at(true)];
  });
}

function addressAsked(key: FrontendKey, kind: number): string {
  const address = addressText(key.address, 0);
  if (kind !== FrontendKind.NODE_PORT) return address;
  return nodeAddresses[address.includes(":") ? 6 : 4];
}

/** Asks every frontend of the maps for every pick that its slice allows. Throws at a dead end. */
export function answersOf(twin: Twin): ReadonlyMap<string, Answer> {
  const names = new Map(twin.names.entries());
  const answers = new Map<string, Answer>();
  for (const { name: asked, service, begin } of asksOf(twin)) {
    const name = names.get(service);
    if (twin.services.flags(service) === 0) throw new Error(`${asked} leads to nobody`);
    const isAdmitted = (address: string) => begin(() => 0, { address })().kind !== "denied";
    const admitted = new Set(clients.filter(isAdmitted));
    const [client] = admitted;
    const backends =
      client === undefined
        ? new Set<string>()
        : everyBackend((pick) => begin(pick, { address: client })());
    const owner = name === undefined ? unnamed : ownerOf(name);
    answers.set(asked, { owner, backends, admitted });
  }
  return answers;
}

function everyBackend(look: (pick: (count: number) => number) => Lookup): ReadonlySet<string> {
  const backends = new Set<string>();
  let choices = 1;
  for (let choice = 0; choice < choices; choice++) {
    const got = look((count) => {
      choices = count;
      return choice;
    });
    if (got.kind === "refused") return backends;
    if (got.kind !== "backend")
      throw new Error(`a slot or frontend that leads nowhere: ${got.kind}`);
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

function guardedBy(twin: Twin): ReadonlySet<string> {
  const keys = Array.from(twin.frontends.entries(), ([key]) => key);
  const addressesOf = (some: readonly FrontendKey[]) =>
    some.map(({ address }) => addressText(address, 0));
  const answering = new Set(addressesOf(keys.filter((key) => !isGuard(key))));
  const guarded = addressesOf(keys.filter(isGuard));
  return new Set(guarded.filter((address) => answering.has(address)));
}

/**
 * What is wrong with the maps in between two states: a frontend that stood before and stands after
 * must be there, belong to one of its two owners, choose from what that owner had or will have,
 * refuse only if one of the two states does, and let in whom both of them let in and nobody whom
 * neither does. (One that changes hands while the owner that loses it loses its endpoints too, or
 * some of its source ranges, may refuse in between.) Unserved ports that are refused before and after are refused in between.
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
    const isOpen = (answer: Answer) => answer.backends.size > 0;
    if (!isOpen(is) && isOpen(was) && isOpen(will) && !mayRefuse) {
      faults.push(`${frontend} refuses`);
    }
    for (const backend of backends) {
      const had = before.endpoints.get(owner)?.has(backend);
      const has = after.endpoints.get(owner)?.has(backend);
      if (!had && !has) faults.push(`${frontend} answers as ${backend}`);
    }
    for (const client of clients) {
      const [had, has, will_] = [was, is, will].map(({ admitted }) => admitted.has(client));
      if (had === will_ && has !== had && (has || !mayRefuse)) {
        faults.push(`${frontend} ${has ? "lets in" : "shuts out"} ${client}`);
      }
    }
  }
  for (const address of before.guarded) {
    if (after.guarded.has(address) && !now.guarded.has(address)) {
      faults.push(`unserved ports of ${address} are not refused`);
    }
  }
  return faults;
}
