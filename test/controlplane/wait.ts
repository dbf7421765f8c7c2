import {
  type KubeConfig,
  type KubernetesListObject,
  type KubernetesObject,
  Watch,
} from "@kubernetes/client-node";
import { DeadlineError } from "../harness/until.ts";

export interface WaitOptions {
  readonly deadlineMs: number;
  readonly describe: string;
}

/** A collection of the API: where it is watched and how it is listed. */
export interface Collection<T extends KubernetesObject> {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  list(): Promise<KubernetesListObject<T>>;
}

const nameOf = (object: KubernetesObject): string =>
  `${object.metadata?.namespace}/${object.metadata?.name}`;

/**
 * Resolves with the collection's objects once `isFulfilled` holds of them. Lists, then follows the
 * changes; a watch that ends is begun anew with a list.
 */
export async function waitByWatch<T extends KubernetesObject>(
  config: KubeConfig,
  collection: Collection<T>,
  isFulfilled: (items: readonly T[]) => boolean,
  { deadlineMs, describe }: WaitOptions,
): Promise<readonly T[]> {
  const deadline = AbortSignal.timeout(deadlineMs);
  for (;;) {
    const list = await collection.list();
    const items = new Map(list.items.map((item) => [nameOf(item), item]));
    if (isFulfilled([...items.values()])) return [...items.values()];
    const resourceVersion = list.metadata?.resourceVersion;
    const outcome = await follow(config, collection, resourceVersion, deadline, (phase, item) => {
      if (phase === "DELETED") items.delete(nameOf(item));
      else items.set(nameOf(item), item);
      return isFulfilled([...items.values()]);
    });
    if (outcome === "fulfilled") return [...items.values()];
    if (deadline.aborted) throw new DeadlineError(describe, deadlineMs, undefined);
  }
}

/** Watches until an event fulfils, the server ends the watch, or the deadline passes. */
async function follow<T extends KubernetesObject>(
  config: KubeConfig,
  { path, query }: Collection<T>,
  resourceVersion: string | undefined,
  deadline: AbortSignal,
  onEvent: (phase: string, item: T) => boolean,
): Promise<"fulfilled" | "again"> {
  const { promise, resolve: settle } = Promise.withResolvers<"fulfilled" | "again">();
  const watching = await new Watch(config).watch(
    path,
    { ...query, resourceVersion },
    (phase, item) => {
      if (phase === "ERROR") settle("again");
      else if (onEvent(phase, item as T)) settle("fulfilled");
    },
    () => settle("again"),
  );
  if (deadline.aborted) settle("again");
  deadline.addEventListener("abort", () => settle("again"), { once: true });
  const outcome = await promise;
  watching.abort();
  return outcome;
}
