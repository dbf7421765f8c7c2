import type { AgentEvent, Series } from "./event.ts";

/** What the API server takes at most (KEP-383): bytes of a note, letters of the reporting instance. */
const noteBytes = 1024;
const instanceLength = 128;
/** Leaves room in the name of an object, 253, for what makes it unique. */
const nameLength = 230;

/** An event as events.k8s.io/v1 has it; `now` is milliseconds since 1970. */
export function apiEvent(event: AgentEvent, nodeName: string, now: number, unique: number) {
  const { regarding, reason, action, note } = event;
  const namespace = regarding.namespace || "default";
  const suffix = `${now.toString(16)}.${unique.toString(16)}`;
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name: `${cut(regarding.name)}.${suffix}`, namespace },
    eventTime: microTime(now),
    reportingController: "sluice",
    reportingInstance: `sluice-${nodeName}`.slice(0, instanceLength),
    action,
    reason,
    // A Node has its name for an UID here: kubectl describe looks for it so.
    regarding: regarding.kind === "Node" ? { ...regarding, uid: regarding.name } : regarding,
    note: truncate(note),
    type: "Warning",
  } as const;
}

/** What is changed of an event that has happened again. */
export const seriesPatch = ({ count, lastAt }: Series) => ({
  series: { count, lastObservedTime: microTime(lastAt) },
});

const microTime = (time: number): string => new Date(time).toISOString().replace("Z", "000Z");

/** A name may not end in what its cutting leaves at its end. */
const cut = (name: string): string => name.slice(0, nameLength).replace(/[-.]+$/, "");

function truncate(note: string): string {
  if (Buffer.byteLength(note) <= noteBytes) return note;
  let length = noteBytes;
  while (Buffer.byteLength(`${note.slice(0, length)}...`) > noteBytes) length--;
  return `${note.slice(0, length)}...`;
}
