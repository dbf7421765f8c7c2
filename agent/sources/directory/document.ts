import {
  type Document,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type ParsedNode,
  parseAllDocuments,
  type YAMLError,
} from "yaml";
import type { Path } from "../parse/fault.ts";
import type { SourceProblem } from "../source.ts";

/** One YAML document of a file, as plain data. */
export interface FileDocument {
  readonly raw: unknown;
  /** The line, from 1, of the deepest part of `path` that the document has. */
  lineOf(path: Path): number;
}

export interface FileDocuments {
  readonly documents: readonly FileDocument[];
  /** Of the documents that could not be read; these are not among `documents`. */
  readonly problems: readonly SourceProblem[];
}

/** Splits a file into its documents; an invalid one does not take the others with it. JSON is YAML. */
export function readDocuments(file: string, text: string): FileDocuments {
  const lines = new LineCounter();
  const documents: FileDocument[] = [];
  const problems: SourceProblem[] = [];
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  for (const document of Array.isArray(parsed) ? parsed : []) {
    const fault = document.errors[0];
    if (fault !== undefined) problems.push(invalid(file, fault, lines));
    else if (document.contents !== null) readDocument(file, document, lines, documents, problems);
  }
  return { documents, problems };
}

function invalid(file: string, fault: YAMLError, lines: LineCounter): SourceProblem {
  const { line, col } = lines.linePos(fault.pos[0]);
  const message = fault.message.replaceAll(/\s+/g, " ");
  return { target: `${file}:${line}:${col}`, message: `is not valid YAML: ${message}` };
}

function readDocument(
  file: string,
  document: Document.Parsed,
  lines: LineCounter,
  documents: FileDocument[],
  problems: SourceProblem[],
): void {
  const lineOf = (path: Path) => lines.linePos(offsetOf(document.contents, path)).line;
  try {
    documents.push({ raw: plain(document), lineOf });
  } catch (cause) {
    // Aliases that multiply without bound show only when they are followed.
    const message = `cannot be read: ${cause instanceof Error ? cause.message : cause}`;
    problems.push({ target: `${file}:${lineOf([])}`, message });
  }
}

/**
 * Texts of a document are cuts of the whole file's text and would keep it in memory: a trip through
 * JSON makes them texts of their own.
 */
const plain = (document: Document): unknown => JSON.parse(JSON.stringify(document.toJS()));

function offsetOf(root: ParsedNode | null, path: Path): number {
  let node: unknown = root;
  let offset = root?.range[0] ?? 0;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => (isScalar(key) ? key.value : key) === step);
      if (pair === undefined) break;
      if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof step === "number") {
      const item = node.items[step];
      if (item === undefined) break;
      offset = (item as ParsedNode).range?.[0] ?? offset;
      node = item;
    } else break;
  }
  return offset;
}
