import { join } from "node:path";
import type { Interner } from "../parse/intern.ts";
import type { SourceProblem } from "../source.ts";
import { serviceConflicts } from "./conflict.ts";
import {
  duplicate,
  type Entry,
  type FileContent,
  readFileContent,
  unreadableFile,
} from "./file.ts";
import { type FileStamp, listFiles, readText, reasonOf, stampOf } from "./folder.ts";

/** A file younger than this may still be being written. */
const settlingMilliseconds = 50;
/** A file that keeps being written is read all the same after so long. */
const patienceMilliseconds = 250;

/** What a folder holds. */
export interface FolderContent {
  /** By key; of an object that stands twice, the one in the first file by name. */
  readonly entries: ReadonlyMap<string, Entry>;
  /** By file; those between files under "". */
  readonly problems: ReadonlyMap<string, readonly SourceProblem[]>;
  /** Milliseconds after which to read again, because a file was being written. */
  readonly againMilliseconds: number | undefined;
}

interface HeldFile {
  readonly stamp: FileStamp | undefined;
  readonly content: FileContent;
  /** Since when a change has been waited out. */
  readonly waitingSince: number | undefined;
}

/** Reads a folder again and again; only changed files are read. */
export class FolderReader {
  readonly #folder: string;
  readonly #nodeName: string;
  readonly #interner: Interner;
  readonly #now: () => number;
  #files: ReadonlyMap<string, HeldFile> = new Map();

  constructor(folder: string, nodeName: string, interner: Interner, now: () => number) {
    this.#folder = folder;
    this.#nodeName = nodeName;
    this.#interner = interner;
    this.#now = now;
  }

  /** Throws only where the folder itself cannot be listed; what was held is then unchanged. */
  async read(): Promise<FolderContent> {
    const files = new Map<string, HeldFile>();
    for (const name of await listFiles(this.#folder)) {
      files.set(name, await this.#readFile(name, this.#files.get(name)));
    }
    this.#files = files;
    return merge(files);
  }

  async #readFile(name: string, held: HeldFile | undefined): Promise<HeldFile> {
    try {
      const stamp = await stampOf(join(this.#folder, name));
      if (held?.stamp?.version === stamp.version && held.waitingSince === undefined) return held;
      const since = this.#waitingSince(stamp, held);
      if (held?.stamp !== undefined && since !== undefined) {
        // Same file, written in place a moment ago: half of it would look like deletions.
        if (stamp.inode === held.stamp.inode && this.#now() - since < patienceMilliseconds) {
          return { ...held, waitingSince: since };
        }
      }
      const text = await readText(this.#folder, name);
      const content = readFileContent(name, text, this.#nodeName, this.#interner, held?.content);
      return { stamp, content, waitingSince: since };
    } catch (cause) {
      const content = unreadableFile(name, reasonOf(cause), held?.content);
      return { stamp: undefined, content, waitingSince: undefined };
    }
  }

  #waitingSince(stamp: FileStamp, held: HeldFile | undefined): number | undefined {
    const age = this.#now() - stamp.modifiedMilliseconds;
    const isSettling = age >= 0 && age < settlingMilliseconds;
    return isSettling ? (held?.waitingSince ?? this.#now()) : undefined;
  }
}

function merge(files: ReadonlyMap<string, HeldFile>): FolderContent {
  const entries = new Map<string, Entry>();
  const problems = new Map<string, readonly SourceProblem[]>();
  let againMilliseconds: number | undefined;
  for (const [name, { content, waitingSince }] of files) {
    const found = [...content.problems];
    for (const entry of content.entries) {
      const first = entries.get(entry.key);
      if (first === undefined) entries.set(entry.key, entry);
      else found.push(duplicate(entry, first));
    }
    problems.set(name, found);
    if (waitingSince !== undefined) againMilliseconds = settlingMilliseconds;
  }
  problems.set("", serviceConflicts(entries.values()));
  return { entries, problems, againMilliseconds };
}
