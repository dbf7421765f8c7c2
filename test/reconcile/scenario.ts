import { readdirSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import type { TwinCapacity } from "../../agent/datapath/twin.ts";
import type { SourceEvent } from "../../agent/model/event.ts";
import { Interner } from "../../agent/sources/parse/intern.ts";
import { parseService } from "../../agent/sources/parse/service.ts";
import { parseSlice } from "../../agent/sources/parse/slice.ts";

/** A file of `scenarios/`: Kubernetes objects in, what the maps then hold out. */
export interface Scenario {
  /** A sentence of behaviour, with the rows that it proves. */
  readonly name: string;
  readonly capacity?: Partial<TwinCapacity>;
  readonly steps: readonly Step[];
}

export interface Step {
  readonly apply?: readonly KubernetesObject[];
  /** "Service/default/web", "EndpointSlice/default/web-1". */
  readonly delete?: readonly string[];
  /** The agent stops before these changes and starts after them. */
  readonly restart?: boolean;
  /** "KEY: MESSAGE" of each Service port that is not programmed. */
  readonly failures?: readonly string[];
  /** Entries written to all maps together, where that is the point. */
  readonly writes?: number;
  /** See `dumpMaps`. */
  readonly maps: string;
}

interface KubernetesObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
}

const folder = new URL("./scenarios/", import.meta.url);

export const loadScenarios = (): readonly Scenario[] =>
  readdirSync(folder)
    .filter((file) => file.endsWith(".yaml"))
    .sort()
    .map((file) => parse(readFileSync(new URL(file, folder), "utf8"), { merge: true }) as Scenario);

/** The objects that exist after a number of steps, and the events that lead from one to the next. */
export class Cluster {
  readonly #events = new Map<string, SourceEvent>();
  readonly #interner = new Interner();

  /** What a source says of this step to an agent that runs. */
  step(step: Step): readonly SourceEvent[] {
    const applied = (step.apply ?? []).map((object) => {
      const event = this.#parse(object);
      const { name, namespace } = object.metadata;
      this.#events.set(`${object.kind}/${namespace}/${name}`, event);
      return event;
    });
    const deleted = (step.delete ?? []).map((path) => {
      if (!this.#events.delete(path)) throw new Error(`nothing to delete: ${path}`);
      const [kind, namespace = "", name = ""] = path.split("/");
      return kind === "Service"
        ? ({ kind: "service-deleted", namespace, name } as const)
        : ({ kind: "slice-deleted", namespace, name } as const);
    });
    return [...deleted, ...applied];
  }

  /** What a source says to an agent that starts. */
  list(): readonly SourceEvent[] {
    return [
      ...this.#events.values(),
      { kind: "synced", resource: "services" },
      { kind: "synced", resource: "endpointslices" },
      { kind: "synced", resource: "nodes" },
    ];
  }

  #parse(object: KubernetesObject): SourceEvent {
    const isService = object.kind === "Service";
    const parsed = isService
      ? parseService(object, this.#interner)
      : parseSlice(object, this.#interner);
    if (parsed.kind !== "object") {
      throw new Error(`${object.metadata.name}: ${JSON.stringify(parsed)}`);
    }
    return isService
      ? { kind: "service", service: parsed.object as never }
      : { kind: "slice", slice: parsed.object as never };
  }
}

export const capacityOf = ({ capacity }: Scenario): TwinCapacity => ({
  services: 16,
  backends: 64,
  slots: 256,
  frontends: 64,
  ...capacity,
});
