import { stat } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import type { Resource, SourceEvent } from "../../model/event.ts";
import { type Clock, systemClock } from "../clock.ts";
import { Interner } from "../parse/intern.ts";
import { Problems } from "../problems.ts";
import type { ResourceStatus, Source, SourceProblem, SourceStatus } from "../source.ts";
import type { Entry } from "./file.ts";
import { reasonOf, type WatchFolder, watchFolder } from "./folder.ts";
import { deletionOf, resourceOf, type Upsert } from "./object.ts";
import { type FolderContent, FolderReader } from "./reader.ts";

export interface DirectoryOptions {
  readonly folder: string;
  readonly nodeName: string;
  /** Told of each problem once, when it appears. */
  readonly report?: (problem: SourceProblem) => void;
  /** How soon a change is seen where the file system tells nothing of it. */
  readonly pollMilliseconds?: number;
  readonly clock?: Clock;
  readonly watch?: WatchFolder;
}

type Sink = (events: readonly SourceEvent[]) => void;

const resources: readonly Resource[] = [
  "services",
  "endpointslices",
  "nodes",
  "servicecidrs",
  "foreignservices",
];
const synced = resources.map((resource) => ({ kind: "synced", resource }) as const);
/** Several events of one change are read together. */
const gatheringMilliseconds = 5;

/**
 * Service, EndpointSlice, Node and ServiceCIDR objects as YAML or JSON files in one folder: the source
 * that needs no cluster. A folder that is absent, or goes away, is waited for; what was read stays in force.
 */
export class DirectorySource implements Source {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #watch: WatchFolder;
  readonly #pollMilliseconds: number;
  readonly #problems: Problems;
  readonly #reader: FolderReader;
  readonly #lastEventAt = new Map<Resource, number>();
  #held: ReadonlyMap<string, Upsert> = new Map();
  #sink: Sink | undefined;
  #lists = 0;
  #isSynced = false;
  #error: string | undefined;
  #watched: { readonly inode: string; close(): void } | undefined;
  #cancel = () => {};
  #scanning: Promise<void> | undefined;
  /** A change was seen that no scan has looked at yet. */
  #isStale = false;

  constructor(options: DirectoryOptions) {
    this.#folder = options.folder;
    this.#clock = options.clock ?? systemClock;
    this.#watch = options.watch ?? watchFolder;
    this.#pollMilliseconds = options.pollMilliseconds ?? 3000;
    this.#problems = new Problems(options.report ?? (() => {}));
    const now = () => this.#clock.now();
    this.#reader = new FolderReader(options.folder, options.nodeName, new Interner(), now);
  }

  start(sink: Sink): void {
    this.#sink = sink;
    this.#scan();
  }

  async stop(): Promise<void> {
    this.#sink = undefined;
    this.#cancel();
    await this.#scanning;
    this.#unwatch();
  }

  status(): SourceStatus {
    return {
      kind: "directory",
      target: this.#folder,
      resources: resources.map((resource) => this.#resourceStatus(resource)),
      problems: this.#problems.list(),
    };
  }

  #resourceStatus(resource: Resource): ResourceStatus {
    const lastEventAt = this.#lastEventAt.get(resource);
    const objects = [...this.#held.values()].filter((held) => resourceOf(held) === resource);
    return {
      resource,
      synced: this.#isSynced,
      objects: objects.length,
      lists: this.#lists,
      lastEventAt: lastEventAt === undefined ? undefined : new Date(lastEventAt),
      error: this.#error,
    };
  }

  /** Ends by arranging the next one: at once where something changed meanwhile. */
  #scan(): void {
    this.#isStale = false;
    this.#scanning = this.#scanOnce().then((nextMilliseconds) => {
      this.#scanning = undefined;
      this.#scanIn(this.#isStale ? gatheringMilliseconds : nextMilliseconds);
    });
  }

  #scanIn(milliseconds: number): void {
    this.#cancel();
    if (this.#sink === undefined) return;
    this.#cancel = this.#clock.setTimeout(() => this.#scan(), milliseconds);
  }

  /** Returns when to scan again. */
  async #scanOnce(): Promise<number> {
    const content = await this.#readFolder();
    if (content === undefined) return this.#pollMilliseconds;
    this.#apply(content);
    return content.againMilliseconds ?? this.#pollMilliseconds;
  }

  async #readFolder(): Promise<FolderContent | undefined> {
    try {
      const isNew = await this.#watchFolder();
      const content = await this.#reader.read();
      if (isNew) this.#lists++;
      this.#error = undefined;
      this.#problems.set("folder", []);
      return content;
    } catch (cause) {
      this.#error = `the folder cannot be read: ${reasonOf(cause)}`;
      this.#problems.set("folder", [{ target: this.#folder, message: this.#error }]);
      this.#unwatch();
      return undefined;
    }
  }

  /** True when the folder is seen for the first time, or another one has taken its place. */
  async #watchFolder(): Promise<boolean> {
    const { dev, ino } = await stat(this.#folder);
    const inode = `${dev}:${ino}`;
    if (this.#watched?.inode === inode) return false;
    this.#unwatch();
    this.#watched = { inode, close: this.#openWatch() };
    return true;
  }

  #openWatch(): () => void {
    try {
      const close = this.#watch(this.#folder, () => this.#changed());
      this.#problems.set("watch", []);
      return close;
    } catch (cause) {
      const seconds = this.#pollMilliseconds / 1000;
      const message = `changes are seen only every ${seconds} s: ${reasonOf(cause)}`;
      this.#problems.set("watch", [{ target: this.#folder, message }]);
      return () => {};
    }
  }

  #changed(): void {
    const isScheduled = this.#scanning !== undefined || this.#isStale;
    this.#isStale = true;
    if (!isScheduled) this.#scanIn(gatheringMilliseconds);
  }

  #unwatch(): void {
    this.#watched?.close();
    this.#watched = undefined;
  }

  #apply({ entries, problems }: FolderContent): void {
    this.#report(problems);
    const events = difference(this.#held, entries);
    this.#held = new Map([...entries].map(([key, { upsert }]) => [key, upsert]));
    if (!this.#isSynced) events.push(...synced);
    this.#isSynced = true;
    for (const resource of new Set(events.map(resourceOf)))
      this.#lastEventAt.set(resource, this.#clock.now());
    if (events.length > 0) this.#sink?.(events);
  }

  /** No file is called "folder" or "watch": their names have endings. */
  #report(problems: FolderContent["problems"]): void {
    for (const owner of this.#problems.owners()) {
      if (owner !== "folder" && owner !== "watch" && !problems.has(owner)) {
        this.#problems.set(owner, []);
      }
    }
    for (const [file, found] of problems) this.#problems.set(file, found);
  }
}

/** The events that lead from what is held to what stands in the files. */
function difference(
  held: ReadonlyMap<string, Upsert>,
  entries: ReadonlyMap<string, Entry>,
): SourceEvent[] {
  const events: SourceEvent[] = [];
  for (const [key, { upsert }] of entries) {
    const before = held.get(key);
    if (isDeepStrictEqual(before, upsert)) continue;
    if (before !== undefined && before.kind !== upsert.kind) events.push(deletionOf(before));
    events.push(upsert);
  }
  for (const [key, upsert] of held) {
    if (!entries.has(key)) events.push(deletionOf(upsert));
  }
  return events;
}
