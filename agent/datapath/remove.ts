import { existsSync, readdirSync, rmdirSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { BpfLink, openObject } from "libbpf-ts";
import { pinnedHooks } from "./device_hook.ts";
import { detachNetlink } from "./device_netlink.ts";
import { pinsAt } from "./pins.ts";

export interface RemovedItem {
  readonly kind: "link" | "map" | "directory";
  readonly path: string;
}

export interface RemovalReport {
  /** In the order in which they went. */
  readonly removed: readonly RemovedItem[];
  readonly problems: readonly { readonly target: string; readonly message: string }[];
}

/**
 * Detaches our programs and takes our pins away: links first, so that nothing is translated by maps
 * that are going. What is not ours stays, and so does the directory that holds it.
 */
export function removePinned(pinPath: string, objectPath: string): RemovalReport {
  const pins = pinsAt(pinPath);
  const object = openObject(objectPath);
  const removed: RemovedItem[] = [];
  const problems: { target: string; message: string }[] = [];
  const attempt = (kind: RemovedItem["kind"], path: string, remove: (path: string) => void) => {
    if (!existsSync(path)) return;
    try {
      remove(path);
      removed.push({ kind, path });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      problems.push({ target: path, message: `it could not be removed: ${message}` });
    }
  };
  for (const hook of pinnedHooks(pins)) {
    attempt("link", pins.device(hook.program, hook.ifindex), (path) =>
      statSync(path).isDirectory() ? detachNetlink(hook, path) : removeLink(path),
    );
  }
  for (const program of object.programs.keys()) attempt("link", pins.link(program), removeLink);
  for (const map of object.maps.keys()) attempt("map", pins.map(map), unlinkSync);
  object.close();
  for (const path of [pins.links, pins.maps, pins.root]) {
    if (existsSync(path)) problems.push(...foreignIn(path));
    if (existsSync(path) && readdirSync(path).length === 0) attempt("directory", path, rmdirSync);
  }
  return { removed, problems };
}

/** Detached for everyone: a process that still holds the link must not keep the program at work. */
function removeLink(path: string): void {
  const link = BpfLink.openPinned(path);
  try {
    link.detach();
  } finally {
    link.close();
  }
  unlinkSync(path);
}

function foreignIn(path: string): { target: string; message: string }[] {
  return readdirSync(path)
    .map((name) => join(path, name))
    .filter((each) => !each.endsWith("/links") && !each.endsWith("/maps"))
    .map((target) => ({ target, message: "not one of sluice's pins: left alone" }));
}
