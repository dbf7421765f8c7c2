import { portKey } from "../../agent/compile/key.ts";
import type { DesiredService } from "../../agent/compile/records.ts";
import { type Lookup, Twin, type TwinCapacity } from "../../agent/datapath/twin.ts";
import type { FaultPlan } from "../../agent/datapath/twin_maps.ts";
import { textOfFrontend } from "../../agent/reconcile/frontend_text.ts";
import { Reconciler } from "../../agent/reconcile/reconciler.ts";
import { maglevTableSize } from "./agent_rig.ts";
import {
  type Answer,
  answersOf,
  asksOf,
  clients,
  faultsBetween,
  type State,
  stateOf,
  unnamed,
} from "./answers.ts";
import type { Event } from "./history.ts";
import { observedMaps } from "./observed.ts";

class Killed extends Error {}

interface Reader {
  readonly finish: () => Lookup;
  readonly allowed: ReadonlySet<string>;
  /** Grace periods that had been asked for when it began. */
  readonly epoch: number;
}

/** Lives through a history, and fails at the first lookup that goes wrong. */
export class HistoryRunner {
  readonly twin: Twin;
  readonly desired = new Map<string, DesiredService>();
  #reconciler: Reconciler | undefined;
  #readers: Reader[] = [];
  #epoch = 0;
  readonly #roomy: boolean;
  #faults: FaultPlan;
  #beforeWrite: () => void = () => undefined;

  /** Roomy: every Service finds room, so what changes hands may not be missing meanwhile. */
  constructor(capacity: TwinCapacity, faults: FaultPlan, roomy: boolean) {
    this.#roomy = roomy;
    this.#faults = faults;
    this.twin = new Twin(capacity, (map, entries) => this.#faults(map, entries));
  }

  get reconciler(): Reconciler {
    if (this.#reconciler === undefined) throw new Error("the agent is not running");
    return this.#reconciler;
  }

  async live(history: readonly Event[]): Promise<void> {
    await this.#start();
    for (const event of history) {
      if (event.kind === "change") await this.#change(event);
      else if (event.kind === "restart") await this.#start();
      else if (event.kind === "elapse") await this.#elapse();
      else this.#watched(new Map(), () => this.reconciler.retry());
      this.#checkSettled();
    }
  }

  /** With faults over: retries until nothing more changes. */
  async settle(): Promise<void> {
    this.#faults = () => undefined;
    for (let round = 0; round < 6; round++) {
      await this.#elapse();
      this.#watched(new Map(), () => this.reconciler.retry());
    }
    await this.#elapse();
  }

  async removeAll(): Promise<void> {
    this.reconciler.apply([], this.desired.keys());
    this.desired.clear();
    await this.settle();
  }

  async #change(event: Event & { kind: "change" }): Promise<void> {
    const changed = new Map(event.services.map((service) => [portKey(service.id), service]));
    const removed = event.removed.filter((key) => !changed.has(key));
    for (const key of removed) this.desired.delete(key);
    for (const [key, service] of changed) this.desired.set(key, service);
    let write = 0;
    this.#beforeWrite = () => {
      if (write === event.killedAt) throw new Killed();
      if (event.readersAt.includes(write)) this.#read(write);
      write++;
    };
    try {
      this.#watched(changed, () => this.reconciler.apply([...changed.values()], removed));
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      this.#beforeWrite = () => undefined;
      await this.#start();
    }
    this.#beforeWrite = () => undefined;
  }

  /** A new agent on the same maps; the old one is gone with all that it knew. */
  async #start(): Promise<void> {
    const observed = observedMaps(this.twin, () => this.#beforeWrite());
    const gracePeriod = () => {
      this.#epoch++;
      return this.twin.gracePeriod();
    };
    const adopting = Reconciler.adopt({ ...observed, gracePeriod }, { maglevTableSize });
    await this.#elapse();
    this.#reconciler = await adopting;
    if (this.#reconciler.findings.some(({ target }) => !mayStand(target))) {
      throw new Error(JSON.stringify(this.#reconciler.findings));
    }
    const all = [...this.desired.values()];
    this.#watched(this.desired, () => this.reconciler.apply(all));
    this.#watched(this.desired, () =>
      this.reconciler.finishFirstSync(new Set(this.desired.keys())),
    );
  }

  /** Ends the grace periods; lookups from before them have ended by then, and no others need to. */
  async #elapse(): Promise<void> {
    const ending = this.#readers.filter(({ epoch }) => epoch < this.#epoch);
    this.#readers = this.#readers.filter(({ epoch }) => epoch >= this.#epoch);
    for (const { finish, allowed } of ending) {
      const got = finish();
      const text = got.kind === "backend" ? `${got.address}:${got.port}` : got.kind;
      if (got.kind !== "refused" && !allowed.has(text)) {
        throw new Error(`a lookup under way ended at ${text}, not in ${[...allowed]}`);
      }
    }
    this.twin.elapse();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** Acts while every write is preceded by a look at all frontends. */
  #watched(changed: ReadonlyMap<string, DesiredService>, act: () => unknown): void {
    const state = stateOf(this.twin);
    const before = { ...state, answers: new Map(state.answers), guarded: new Set(state.guarded) };
    const after = wantedState(this.desired);
    const moved = ([frontend, { owner }]: readonly [string, Answer]) =>
      after.answers.get(frontend)?.owner !== owner;
    if (!this.#roomy) {
      for (const answer of before.answers) if (moved(answer)) before.answers.delete(answer[0]);
      const stays = (address: string) =>
        [...before.answers.keys()].some((name) => name.startsWith(`${address}:`));
      for (const address of before.guarded) if (!stays(address)) before.guarded.delete(address);
    }
    const inner = this.#beforeWrite;
    const look = () => {
      const faults = faultsBetween(before, stateOf(this.twin), after);
      if (faults.length > 0)
        throw new Error(`${faults.join("; ")} (changing ${[...changed.keys()]})`);
    };
    this.#beforeWrite = () => {
      look();
      inner();
    };
    try {
      act();
    } finally {
      this.#beforeWrite = inner;
    }
    look();
  }

  /** What did not fail answers as desired, and with nothing that was retired. */
  #checkSettled(): void {
    const unfinished = this.reconciler.failures.map(({ key }) => key);
    if (this.reconciler.waiting > 0) return;
    const answers = answersOf(this.twin);
    for (const [key, service] of this.desired) {
      if (unfinished.includes(key)) continue;
      for (const [name, wanted] of wantedAnswers(service)) {
        const [got, want] = [answers.get(name), wanted].map(textOfAnswer);
        if (got !== want) throw new Error(`${name} of ${key} is ${got}; should be ${want}`);
      }
    }
  }

  #read(pick: number): void {
    const { answers, endpoints } = stateOf(this.twin);
    const after = wantedState(this.desired).endpoints;
    for (const { name, begin } of asksOf(this.twin)) {
      const { owner, admitted } = answers.get(name) ?? { owner: unnamed, admitted: [] };
      const [address] = admitted;
      if (owner === unnamed || address === undefined) continue;
      const finish = begin((count) => pick % count, { address });
      const allowed = new Set([...(endpoints.get(owner) ?? []), ...(after.get(owner) ?? [])]);
      this.#readers.push({ finish, allowed, epoch: this.#epoch });
    }
  }
}

const textOfAnswer = (answer: Answer | undefined): string =>
  answer === undefined
    ? "nobody's"
    : `${answer.owner}'s: ${[...answer.backends].sort()} for ${[...answer.admitted].sort()}`;

/** What an agent that was killed may leave behind. */
const mayStand = (target: string): boolean =>
  target === "backends" ||
  target === "source_ranges" ||
  target.startsWith("services[") ||
  target.startsWith("default/");

/** What each way to ask for the Service's frontends should meet. */
function wantedAnswers(service: DesiredService): readonly (readonly [string, Answer])[] {
  const owner = portKey(service.id);
  return service.frontends.flatMap((frontend) => {
    const { kind } = frontend;
    const text = textOfFrontend(service.id, frontend);
    const admitted = new Set(clients.filter((client) => isAdmitted(service, kind, client)));
    const answer = (local: boolean): Answer => ({
      owner,
      backends: admitted.size === 0 ? new Set() : backendsOf(service, local),
      admitted,
    });
    if (kind === "ClusterIP") return [[text, answer(service.internalLocal)]];
    return [
      [text, answer(false)],
      [`${text} from outside`, answer(service.externalLocal)],
    ];
  });
}

/** The ranges of the histories are whole octets, but for one of the upper halves. */
function isAdmitted({ sourceRanges }: DesiredService, kind: string, client: string): boolean {
  if (kind !== "LoadBalancer" || sourceRanges === undefined) return true;
  const net = client.slice(0, client.lastIndexOf("."));
  const isUpper = Number(client.slice(net.length + 1)) >= 128;
  return (
    sourceRanges.includes(`${net}.0/24`) || (isUpper && sourceRanges.includes(`${net}.128/25`))
  );
}

const backendsOf = ({ backends }: DesiredService, local: boolean): ReadonlySet<string> =>
  new Set(
    backends
      .filter(({ inLocal, inCluster }) => (local ? inLocal : inCluster))
      .map(({ address, port }) => `${address}:${port}`),
  );

/** Frontends that two Services want are left out, since history decides who has them. */
function wantedState(desired: ReadonlyMap<string, DesiredService>): State {
  const answers = new Map<string, Answer>();
  const endpoints = new Map<string, ReadonlySet<string>>();
  const guarded = new Set<string>();
  const contended = new Set<string>();
  for (const [owner, service] of desired) {
    const all = service.backends.map(({ address, port }) => `${address}:${port}`);
    endpoints.set(owner, new Set(all));
    for (const [name, answer] of wantedAnswers(service)) {
      if (answers.has(name)) contended.add(name);
      answers.set(name, answer);
    }
    for (const { kind, address } of service.frontends) {
      if (kind !== "NodePort") guarded.add(address);
    }
  }
  for (const name of contended) answers.delete(name);
  return { answers, endpoints, guarded };
}
