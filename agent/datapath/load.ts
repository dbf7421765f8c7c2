import { existsSync } from "node:fs";
import {
  ArgumentError,
  BpfError,
  BpfMap,
  type BpfObject,
  isPermission,
  type LoadedObject,
  openObject,
  VerifierError,
} from "libbpf-ts";
import { agentStateCodec, layoutFingerprint } from "../../bpf/build/layout.ts";
import { DatapathError } from "./datapath_error.ts";
import type { Pins } from "./pins.ts";
import type { FeatureReport } from "./report.ts";
import { withReserve } from "./reserve.ts";

/** Entries per map, without what it has in reserve; maps that stand already keep theirs. */
export type MapSizes = Readonly<Record<string, number>>;

/** Something that an object does without on a kernel that refuses it. */
export interface OptionalPart {
  /** How status calls it. */
  readonly feature: string;
  /** What it is there for, and what it is missed for. */
  readonly on: string;
  readonly off: string;
  /** An iterator that is left out, or a global variable that is set to 0 in place of 1. */
  readonly iterator?: string;
  readonly global?: string;
}

export interface LoadOptions {
  readonly objectPath: string;
  readonly pins: Pins;
  readonly sizes: MapSizes;
  /** Given up one by one, the last one first, where the kernel's complaint may be about it. */
  readonly parts: readonly OptionalPart[];
  readonly globals?: Readonly<Record<string, number>>;
  /** Whether maps that are not pinned yet get pinned; otherwise they are the programs' own. */
  readonly pinsMaps: boolean;
  /** Programs that are not wanted. */
  readonly without?: readonly string[];
}

export interface Loaded {
  readonly object: LoadedObject;
  readonly features: readonly FeatureReport[];
  /** Maps that were found pinned and taken over. */
  readonly adopted: readonly string[];
}

const STATE = "agent_state";
const STATE_KEY = new Uint8Array(4);

/**
 * Loads an object's programs over the pinned maps, and over new ones where there are none.
 * @throws {DatapathError} "layout", "permission" or "kernel".
 */
export function load(options: LoadOptions): Loaded {
  checkLayout(options.pins);
  const refusals = new Map<OptionalPart, string>();
  for (;;) {
    const kept = options.parts.filter((part) => !refusals.has(part));
    try {
      const { object, adopted } = loadVariant(options, kept);
      return { object, adopted, features: options.parts.map((part) => featureOf(part, refusals)) };
    } catch (error) {
      const refused = refusedPart(error, kept);
      if (refused === undefined) throw loadError(options.objectPath, error);
      refusals.set(refused, reasonOf(error));
    }
  }
}

/** Which optional part the complaint can be about; undefined: none is left to give up. */
function refusedPart(error: unknown, kept: readonly OptionalPart[]): OptionalPart | undefined {
  const iterator = kept.find((part) => part.iterator && isAboutIterator(error, part.iterator));
  if (iterator !== undefined || !(error instanceof VerifierError)) return iterator;
  return kept.findLast(({ global }) => global !== undefined);
}

/**
 * Where the kernel has no BTF, or none of the iterator, libbpf does not even ask the verifier and
 * names no program. It may complain of something else; then so it will without the iterator.
 */
function isAboutIterator(error: unknown, iterator: string): boolean {
  if (error instanceof VerifierError) return error.program === iterator;
  if (!(error instanceof BpfError) || isPermission(error)) return false;
  return error.operation === "object.load";
}

function reasonOf(error: unknown): string {
  if (error instanceof VerifierError) return error.summary;
  return error instanceof Error ? error.message : String(error);
}

function featureOf(part: OptionalPart, refusals: ReadonlyMap<OptionalPart, string>): FeatureReport {
  const refusal = refusals.get(part);
  const name = part.feature;
  if (refusal === undefined) return { name, state: "on", reason: part.on };
  return { name, state: "off", reason: `${part.off}; the kernel says: ${refusal}` };
}

function loadVariant(
  { objectPath, pins, sizes, pinsMaps, parts, globals = {}, without = [] }: LoadOptions,
  kept: readonly OptionalPart[],
): { readonly object: LoadedObject; readonly adopted: readonly string[] } {
  // Only iterators are fitted to the kernel's types: without them any BTF spares libbpf the search.
  const needsTypes = kept.some(({ iterator }) => iterator !== undefined);
  const object = openObject(objectPath, needsTypes ? {} : { btfCustomPath: objectPath });
  const pinned: BpfMap[] = [];
  try {
    for (const [name, value] of Object.entries(globals)) object.setGlobal(name, value);
    for (const program of without) setAutoload(object, program, false);
    for (const part of parts) switchPart(object, part, kept.includes(part));
    const names = mapNames(object);
    const adopted = names.filter((name) => existsSync(pins.map(name)));
    for (const name of adopted) pinned.push(adopt(object, name, pins));
    for (const name of names) {
      const size = sizes[name];
      if (size === undefined || adopted.includes(name)) continue;
      object.setMaxEntries(name, withReserve(name, size));
    }
    const loaded = object.load();
    const made = names.filter((name) => !adopted.includes(name));
    if (pinsMaps) pinNew(loaded, pins, made);
    return { object: loaded, adopted };
  } finally {
    object.close();
    for (const map of pinned) map.close();
  }
}

function switchPart(object: BpfObject, { global, iterator }: OptionalPart, on: boolean): void {
  if (global !== undefined) object.setGlobal(global, on ? 1 : 0);
  if (iterator !== undefined) setAutoload(object, iterator, on);
}

function setAutoload(object: BpfObject, program: string, on: boolean): void {
  if (object.programs.has(program)) object.setAutoload(program, on);
}

/** Data sections belong to the programs and are made anew with them. */
const mapNames = (object: BpfObject): string[] =>
  [...object.maps.keys()].filter((name) => !name.startsWith("."));

function adopt(object: BpfObject, name: string, pins: Pins): BpfMap {
  const map = BpfMap.openPinned(pins.map(name));
  try {
    object.reuseMap(name, map);
    return map;
  } catch (cause) {
    map.close();
    if (cause instanceof ArgumentError) throw layoutError(pins.map(name), cause);
    throw cause;
  }
}

/** The fingerprint is written and pinned first: pins without one are nobody's unfinished work. */
function pinNew(loaded: LoadedObject, pins: Pins, names: readonly string[]): void {
  if (names.includes(STATE)) {
    const state = new Uint8Array(agentStateCodec.size);
    agentStateCodec.encode({ layout: layoutFingerprint }, state);
    loaded.map(STATE).update(STATE_KEY, state);
    loaded.map(STATE).pin(pins.map(STATE));
  }
  for (const name of names) if (name !== STATE) loaded.map(name).pin(pins.map(name));
}

/** @throws {DatapathError} "layout" where the pinned maps mean something else than ours. */
export function checkLayout(pins: Pins): void {
  if (!existsSync(pins.map(STATE))) return;
  const map = BpfMap.openPinned(pins.map(STATE));
  try {
    const state = map.lookup(STATE_KEY);
    if (state === undefined || agentStateCodec.decode(state).layout !== layoutFingerprint) {
      throw layoutError(pins.map(STATE));
    }
  } finally {
    map.close();
  }
}

const layoutError = (path: string, cause?: unknown): DatapathError =>
  new DatapathError(
    "layout",
    "adopt maps",
    path,
    `the maps pinned there were made by another version of sluice, with another layout: stop that agent and run "sluice cleanup" with this --pin-path, or use another --pin-path`,
    cause,
  );

function loadError(objectPath: string, cause: unknown): unknown {
  if (cause instanceof DatapathError) return cause;
  if (isPermission(cause) && !(cause instanceof VerifierError)) {
    return new DatapathError(
      "permission",
      "load programs",
      objectPath,
      "the kernel refuses to load eBPF programs: run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON (before Linux 5.11 with CAP_SYS_RESOURCE too)",
      cause,
    );
  }
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new DatapathError(
    "kernel",
    "load programs",
    objectPath,
    `the kernel does not take the eBPF programs (Linux 5.10 or newer is needed): ${detail}`,
    cause,
  );
}
