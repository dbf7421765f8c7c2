import { protocolName } from "../../agent/datapath/protocol.ts";
import type { Twin } from "../../agent/datapath/twin.ts";
import { addressText } from "../../agent/model/ip.ts";
import { textOfKey } from "../../agent/reconcile/frontend_text.ts";
import { keyOfName } from "../../agent/reconcile/service_name.ts";

/** What clients of one frontend may meet: every backend, by address and port; none: refused. */
export interface Answer {
  /** The Service port that the frontend leads to. */
  readonly owner: string;
  readonly backends: ReadonlySet<string>;
}

/** Asks every frontend of the maps for every pick that its slice allows. Throws at a dead end. */
export function answersOf(twin: Twin): ReadonlyMap<string, Answer> {
  const names = new Map(twin.names.entries());
  const answers = new Map<string, Answer>();
  for (const [key, { service }] of twin.frontends.entries()) {
    const protocol = protocolName(key.protocol);
    const name = names.get(service);
    if (protocol === undefined) throw new Error(`${textOfKey(key)}: no such protocol`);
    if (name === undefined) throw new Error(`${textOfKey(key)} leads to nobody`);
    const address = addressText(key.address, 0);
    const backends = everyBackend((pick) => twin.lookup(address, key.port, protocol, pick));
    answers.set(textOfKey(key), { owner: keyOfName(name) ?? "", backends });
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

/**
 * What is wrong with the maps in between two states: a frontend that stood before and stands after
 * must be there, answer as one of the two, and refuse only if one of the two did.
 */
export function faultsBetween(
  before: ReadonlyMap<string, Answer>,
  now: ReadonlyMap<string, Answer>,
  after: ReadonlyMap<string, Answer>,
): readonly string[] {
  const faults: string[] = [];
  for (const [frontend, was] of before) {
    const will = after.get(frontend);
    if (will === undefined) continue;
    const is = now.get(frontend);
    if (is === undefined) {
      faults.push(`${frontend} is missing`);
      continue;
    }
    if (is.owner !== was.owner && is.owner !== will.owner)
      faults.push(`${frontend} is ${is.owner}'s`);
    if (is.backends.size === 0 && was.backends.size > 0 && will.backends.size > 0) {
      faults.push(`${frontend} refuses`);
    }
    for (const backend of is.backends) {
      if (!was.backends.has(backend) && !will.backends.has(backend)) {
        faults.push(`${frontend} answers as ${backend}`);
      }
    }
  }
  return faults;
}
