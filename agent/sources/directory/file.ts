import type { Fault, Path } from "../parse/fault.ts";
import { hasError, pathText } from "../parse/fault.ts";
import { fieldsOf, textOf } from "../parse/fields.ts";
import type { Interner } from "../parse/intern.ts";
import type { SourceProblem } from "../source.ts";
import { check } from "./check.ts";
import { type FileDocument, readDocuments } from "./document.ts";
import { readObject, type Upsert } from "./object.ts";
import { listSchema } from "./schema.ts";

/** An object as it stands in a file. */
export interface Entry {
  readonly key: string;
  readonly upsert: Upsert;
  /** `file:line`, or the path in a JSON file. */
  readonly target: string;
}

/** What a file holds. */
export interface FileContent {
  readonly entries: readonly Entry[];
  readonly problems: readonly SourceProblem[];
}

const nothing: FileContent = { entries: [], problems: [] };

/**
 * Reads a file's text. Nothing is lost because of a typo: an object with an error keeps its last
 * good version out of `previous`, and with none its valid part counts; while a part of the file
 * cannot be told to be this or that object, none of its objects is removed.
 */
export function readFileContent(
  file: string,
  text: string,
  nodeName: string,
  interner: Interner,
  previous: FileContent = nothing,
): FileContent {
  const reading: Reading = {
    previous: new Map(previous.entries.map((entry) => [entry.key, entry])),
    entries: new Map(),
    problems: [],
    isWhole: true,
  };
  for (const document of readDocuments(file, text)) {
    if (document.kind === "document") readDocumentObjects(reading, document, nodeName, interner);
    else breakOff(reading, document.problem);
  }
  const kept = reading.isWhole ? [] : absent(reading);
  return {
    entries: [...reading.entries.values(), ...kept],
    problems: [...reading.problems, ...keptProblem(file, kept.length)],
  };
}

/** A file that cannot be read keeps what it held. */
export function unreadableFile(
  file: string,
  reason: string,
  { entries }: FileContent = nothing,
): FileContent {
  const problem = { target: file, message: `cannot be read: ${reason}` };
  return { entries, problems: [problem, ...keptProblem(file, entries.length)] };
}

interface Reading {
  readonly previous: ReadonlyMap<string, Entry>;
  readonly entries: Map<string, Entry>;
  readonly problems: SourceProblem[];
  isWhole: boolean;
}

function breakOff(reading: Reading, problem: SourceProblem): void {
  reading.problems.push(problem);
  reading.isWhole = false;
}

function readDocumentObjects(
  reading: Reading,
  document: FileDocument,
  nodeName: string,
  interner: Interner,
): void {
  for (const { raw, path } of objectsOf(reading, document)) {
    const read = readObject(raw, nodeName, interner);
    const target = document.originOf(path);
    const held = read.kind === "object" ? reading.previous.get(read.key) : undefined;
    const isKept = held !== undefined && hasError(read.faults);
    report(reading, document, path, read.faults, isKept);
    if (read.kind === "broken") reading.isWhole = false;
    if (read.kind !== "object") continue;
    const upsert = isKept ? held.upsert : read.upsert;
    if (upsert !== undefined) enter(reading, { key: read.key, upsert, target });
  }
}

function enter(reading: Reading, entry: Entry): void {
  const first = reading.entries.get(entry.key);
  if (first === undefined) reading.entries.set(entry.key, entry);
  else reading.problems.push(duplicate(entry, first));
}

/** Of an object that stands at two places. The one read first counts. */
export const duplicate = (entry: Entry, first: Entry): SourceProblem => ({
  target: entry.target,
  message: `${entry.key} is defined at ${first.target} already, and that one counts; remove one of the two`,
});

/** A document is an object or a List of them. */
function objectsOf(reading: Reading, document: FileDocument): { raw: unknown; path: Path }[] {
  const fields = fieldsOf(document.raw);
  if (!textOf(fields.kind)?.endsWith("List")) return [{ raw: document.raw, path: [] }];
  const faults = check(listSchema, fields);
  report(reading, document, [], faults, false);
  if (hasError(faults)) reading.isWhole = false;
  const { items } = fields;
  return Array.isArray(items) ? items.map((raw, index) => ({ raw, path: ["items", index] })) : [];
}

function report(
  reading: Reading,
  document: FileDocument,
  at: Path,
  faults: readonly Fault[],
  isKept: boolean,
): void {
  for (const { path, message, severity } of faults) {
    const place = [...at, ...path];
    const target = document.targetOf(place);
    const sentence = place.length === 0 ? message : `${pathText(place)} ${message}`;
    const kept = isKept && severity === "error" ? "; its last good version stays in force" : "";
    reading.problems.push({ target, message: `${sentence}${kept}` });
  }
}

const absent = (reading: Reading): Entry[] =>
  [...reading.previous.values()].filter((entry) => !reading.entries.has(entry.key));

function keptProblem(file: string, kept: number): SourceProblem[] {
  if (kept === 0) return [];
  const objects = kept === 1 ? "1 object" : `${kept} objects`;
  const message = `${objects} last read from it stay in force until all of it can be read`;
  return [{ target: file, message }];
}
