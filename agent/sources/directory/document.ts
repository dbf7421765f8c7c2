import {
  Composer,
  type Document,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type ParsedNode,
  Parser,
  type YAMLError,
} from "yaml";
import { type Path, pathText } from "../parse/fault.ts";
import type { SourceProblem } from "../source.ts";

/** One document of a file, as plain data. */
export interface FileDocument {
  readonly kind: "document";
  readonly raw: unknown;
  /** `file:line` of the deepest part of `path` that the document has; lines count from 1. */
  targetOf(path: Path): string;
  /** As `targetOf`, but cheap: it may name the path and not the line. */
  originOf(path: Path): string;
}

export interface BrokenDocument {
  readonly kind: "broken";
  readonly problem: SourceProblem;
}

/**
 * The documents of a file, one at a time: their syntax trees are far larger than they are.
 * An invalid one does not take the others with it.
 */
export function* readDocuments(
  file: string,
  text: string,
): Generator<FileDocument | BrokenDocument> {
  const json = readJson(file, text);
  if (json === undefined) yield* readYaml(file, text);
  else yield json;
}

/** JSON is YAML, and read as such where something is wrong with it; else twenty times faster. */
function readJson(file: string, text: string): FileDocument | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return undefined;
  }
  let document: FileDocument | BrokenDocument | undefined;
  const targetOf = (path: Path): string => {
    document ??= readYaml(file, text).next().value ?? undefined;
    return document?.kind === "document" ? document.targetOf(path) : file;
  };
  const originOf = (path: Path) => (path.length === 0 ? file : `${file}, ${pathText(path)}`);
  return { kind: "document", raw, targetOf, originOf };
}

function* readYaml(file: string, text: string): Generator<FileDocument | BrokenDocument> {
  const lines = new LineCounter();
  const parser = new Parser(lines.addNewLine);
  const composer = new Composer({ lineCounter: lines, prettyErrors: false });
  for (const document of composer.compose(parser.parse(text))) {
    const fault = document.errors[0];
    if (fault !== undefined) yield { kind: "broken", problem: invalid(file, fault, lines) };
    else if (document.contents !== null) yield readDocument(file, document, lines);
  }
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
): FileDocument | BrokenDocument {
  const targetOf = (path: Path) =>
    `${file}:${lines.linePos(offsetOf(document.contents, path)).line}`;
  try {
    return { kind: "document", raw: plain(document), targetOf, originOf: targetOf };
  } catch (cause) {
    // Aliases that multiply without bound show only when they are followed.
    const message = `cannot be read: ${cause instanceof Error ? cause.message : cause}`;
    return { kind: "broken", problem: { target: targetOf([]), message } };
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
