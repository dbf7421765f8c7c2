import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { ownPrefix } from "../harness/leftovers.ts";
import type { ApiObject } from "./api.ts";
import { cellsOf } from "./cells.ts";
import { type Asked, Comparison, type Difference, type Placed, type Seen } from "./comparison.ts";
import { Place, serviceObject, sliceObjects } from "./objects.ts";
import { observeAt } from "./observe.ts";
import type { NodeCase, Scenario, ServiceCase } from "./scenario.ts";
import { Side, type SideOptions } from "./side.ts";

/** What sluice alone is given in place of the Service of the named scenario: a wrong rule to be found. */
export type Mutation = (service: ServiceCase, scenario: string) => ServiceCase;

export interface RunOptions {
  readonly node?: NodeCase;
  readonly mutate?: Mutation;
}

/** A difference is believed when it was seen as often, each time after all was published anew. */
const ROUNDS = 3;
/** Of tries, in each further round. */
const PATIENCE = 4;
const FIRST_PLACE = 32;
const LAST_PLACE = 65_000;
const DEFAULT_NODE: NodeCase = { zone: "z1" };

/** Both proxies side by side: what one scenario shows to clients of either. */
export class Bench implements AsyncDisposable {
  readonly #folder: string;
  readonly #oracle: Side;
  readonly #subject: Side;
  #places = FIRST_PLACE;
  #cells = 0;

  private constructor(folder: string, oracle: Side, subject: Side) {
    this.#folder = folder;
    this.#oracle = oracle;
    this.#subject = subject;
  }

  static async start(options: SideOptions = {}): Promise<Bench> {
    const folder = await mkdtemp(join(tmpdir(), `${ownPrefix}parity-`));
    const sides: Side[] = [];
    const make = async (name: "kube-proxy" | "sluice"): Promise<Side> => {
      await mkdir(join(folder, name));
      const side = await Side.start(name, join(folder, name), options);
      sides.push(side);
      return side;
    };
    try {
      return new Bench(folder, await make("kube-proxy"), await make("sluice"));
    } catch (error) {
      for (const side of sides) await side[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** kube-proxy's first. */
  get sides(): readonly [kubeProxy: Side, sluice: Side] {
    return [this.#oracle, this.#subject];
  }

  /** How many cells were compared so far. */
  get cells(): number {
    return this.#cells;
  }

  /**
   * Gives all scenarios to both proxies at once, step by step; what differs and is not deliberate.
   * Their names must differ.
   */
  async run(
    scenarios: readonly Scenario[],
    options: RunOptions = {},
  ): Promise<readonly Difference[]> {
    const places = scenarios.map(() => this.#nextPlace());
    const length = Math.max(0, ...scenarios.map(({ steps }) => steps.length));
    const differences: Difference[] = [];
    for (let step = 0; step < length; step++) {
      const all = scenarios.map(({ name, steps }, index): Placed => {
        const service = steps[Math.min(step, steps.length - 1)] ?? {};
        const place = places[index] ?? new Place(FIRST_PLACE);
        return { name, step, service, place, isNew: steps.length > step };
      });
      differences.push(...(await this.#compare(all, options)));
    }
    return differences;
  }

  /** What clients of either see of each scenario's first step, whether deliberate or not. */
  async look(scenarios: readonly Scenario[]): Promise<readonly Seen[]> {
    const all = await this.place(scenarios);
    const asked = this.#cellsOf(all);
    const [kubeProxy, sluice] = await this.#observe(asked, PATIENCE);
    return asked.map(({ placed: { name }, cell }, index) => {
      return {
        scenario: name,
        cell,
        kubeProxy: kubeProxy[index] ?? [],
        sluice: sluice[index] ?? [],
      };
    });
  }

  /** Gives each scenario's first step to both proxies, and nothing else; for tests that ask themselves. */
  async place(scenarios: readonly Scenario[]): Promise<readonly Placed[]> {
    const all = scenarios.map(({ name, steps: [service = {}] }): Placed => {
      return { name, step: 0, service, place: this.#nextPlace(), isNew: true };
    });
    await this.republish(all);
    return all;
  }

  /** Resolves once both proxies serve these, whatever they served before. */
  async republish(all: readonly Placed[]): Promise<void> {
    // Once more, since nothing is asked again here: whatever came before the second marker is there.
    await this.#publish(all, {});
    await this.#publish(all, {});
  }

  #cellsOf(all: readonly Placed[]): readonly Asked[] {
    return all
      .filter(({ isNew }) => isNew)
      .flatMap((placed) =>
        cellsOf(placed.service, placed.place, this.#oracle.node).map((cell) => ({ placed, cell })),
      );
  }

  #observe(asked: readonly Asked[], patience: number) {
    return Promise.all([
      observeAt(this.#oracle, asked, patience),
      observeAt(this.#subject, asked, patience),
    ]);
  }

  #nextPlace(): Place {
    if (this.#places > LAST_PLACE) this.#places = FIRST_PLACE;
    return new Place(this.#places++);
  }

  async #compare(all: readonly Placed[], options: RunOptions): Promise<readonly Difference[]> {
    const comparison = new Comparison();
    let asked = this.#cellsOf(all);
    this.#cells += asked.length;
    for (let round = 0; round < ROUNDS && asked.length > 0; round++) {
      const patience = round === 0 ? 1 : PATIENCE;
      await this.#publish(all, options);
      const [kubeProxy, sluice] = await this.#observe(asked, patience);
      asked = comparison.disagreeing(asked, kubeProxy, sluice);
    }
    return asked.map((each) => comparison.differenceOf(each, this.#yaml(each.placed)));
  }

  async #publish(
    all: readonly Placed[],
    { node = DEFAULT_NODE, mutate }: RunOptions,
  ): Promise<void> {
    const mutated = all.map((each) => ({
      ...each,
      service: mutate === undefined ? each.service : mutate(each.service, each.name),
    }));
    this.#oracle.replace(objectsOf(all, this.#oracle), node);
    this.#subject.replace(objectsOf(mutated, this.#subject), node);
    await Promise.all([this.#oracle.converged(), this.#subject.converged()]);
  }

  #yaml(placed: Placed): string {
    const { services, endpointslices } = objectsOf([placed], this.#oracle);
    return [...services, ...endpointslices].map((object) => `---\n${stringify(object)}`).join("");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#oracle[Symbol.asyncDispose]();
    await this.#subject[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function objectsOf(all: readonly Placed[], side: Side) {
  const services: ApiObject[] = [];
  const endpointslices: ApiObject[] = [];
  for (const { service, place } of all) {
    services.push(serviceObject(place.name, service, place));
    endpointslices.push(...sliceObjects(place.name, service, side.backends));
  }
  return { services, endpointslices };
}
