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

/** Entries per map; maps that stand already keep theirs. */
export type MapSizes = Readonly<Record<string, number>>;

export interface Loaded {
  readonly object: LoadedObject;
  readonly features: readonly FeatureReport[];
  /** Maps that were found pinned and taken over. */
  readonly adopted: readonly string[];
}

/** What the programs do without on a kernel that refuses it; false: refused. */
interface Variant {
  readonly setRetval: boolean;
  readonly staleSockets: boolean;
}

const STATE = "agent_state";
const ITERATOR = "sluice_stale_udp";
const STATE_KEY = new Uint8Array(4);

/**
 * Loads the programs over the pinned maps, or over new ones that it pins.
 * @throws {DatapathError} "layout", "permission" or "kernel".
 */
export function load(objectPath: string, pins: Pins, sizes: MapSizes): Loaded {
  checkLayout(pins);
  const refusals = new Map<keyof Variant, string>();
  for (;;) {
    const variant = {
      setRetval: !refusals.has("setRetval"),
      staleSockets: !refusals.has("staleSockets"),
    };
    try {
      const { object, adopted } = loadVariant(objectPath, pins, sizes, variant);
      return { object, adopted, features: featuresOf(refusals) };
    } catch (error) {
      const refused = refusedPart(error, variant);
      if (refused === undefined) throw loadError(objectPath, error);
      refusals.set(refused, reasonOf(error));
    }
  }
}

/** Which optional part the complaint can be about; undefined: none is left to give up. */
function refusedPart(error: unknown, variant: Variant): keyof Variant | undefined {
  if (isAboutIterator(error)) return variant.staleSockets ? "staleSockets" : undefined;
  if (!(error instanceof VerifierError)) return undefined;
  return variant.setRetval ? "setRetval" : undefined;
}

/**
 * Where the kernel has no BTF, or none of the iterator, libbpf does not even ask the verifier and
 * names no program. It may complain of something else; then so it will without the iterator.
 */
function isAboutIterator(error: unknown): boolean {
  if (error instanceof VerifierError) return error.program === ITERATOR;
  if (!(error instanceof BpfError) || isPermission(error)) return false;
  return error.operation === "object.load";
}

function reasonOf(error: unknown): string {
  if (error instanceof VerifierError) return error.summary;
  return error instanceof Error ? error.message : String(error);
}

function featuresOf(refusals: ReadonlyMap<keyof Variant, string>): FeatureReport[] {
  const feature = (name: string, part: keyof Variant, on: string, off: string): FeatureReport => {
    const refusal = refusals.get(part);
    if (refusal === undefined) return { name, state: "on", reason: on };
    return { name, state: "off", reason: `${off}; the kernel says: ${refusal}` };
  };
  return [
    feature(
      "refuse-with-econnrefused",
      "setRetval",
      "bpf_set_retval is there",
      "needs Linux 5.18: connect() is refused by way of port 0 of the loopback, unconnected UDP gets EPERM",
    ),
    feature(
      "destroy-stale-sockets",
      "staleSockets",
      "socket storage can be iterated",
      "connected UDP sockets stay with backends that have gone",
    ),
  ];
}

function loadVariant(
  objectPath: string,
  pins: Pins,
  sizes: MapSizes,
  variant: Variant,
): { readonly object: LoadedObject; readonly adopted: readonly string[] } {
  // Only the iterator is fitted to the kernel's types: without it any BTF spares libbpf the search.
  const object = openObject(objectPath, variant.staleSockets ? {} : { btfCustomPath: objectPath });
  const pinned: BpfMap[] = [];
  try {
    object.setGlobal("has_set_retval", variant.setRetval ? 1 : 0);
    object.setAutoload(ITERATOR, variant.staleSockets);
    const names = mapNames(object);
    const adopted = names.filter((name) => existsSync(pins.map(name)));
    for (const name of adopted) pinned.push(adopt(object, name, pins));
    for (const name of names) {
      const size = sizes[name];
      if (size !== undefined && !adopted.includes(name)) object.setMaxEntries(name, size);
    }
    const loaded = object.load();
    pinNew(
      loaded,
      pins,
      names.filter((name) => !adopted.includes(name)),
    );
    return { object: loaded, adopted };
  } finally {
    object.close();
    for (const map of pinned) map.close();
  }
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
