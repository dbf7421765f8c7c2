/** The object that an event is about. */
export interface EventObject {
  readonly apiVersion: string;
  readonly kind: string;
  /** "" for a Node. */
  readonly namespace: string;
  readonly name: string;
}

/** Something that an operator must know of one object. */
export interface AgentEvent {
  readonly regarding: EventObject;
  /** One word in CamelCase; kube-proxy's where it has one. */
  readonly reason: string;
  /** What was tried, as one word. */
  readonly action: string;
  /** For people: what is wrong and what mends it. */
  readonly note: string;
}

/** How often the same has happened. Times are milliseconds since 1970. */
export interface Series {
  readonly count: number;
  readonly lastAt: number;
}

export const nodeObject = (name: string): EventObject => ({
  apiVersion: "v1",
  kind: "Node",
  namespace: "",
  name,
});

export const serviceObject = (namespace: string, name: string): EventObject => ({
  apiVersion: "v1",
  kind: "Service",
  namespace,
  name,
});

/** Equal for two events that say the same of the same object. */
export function sameness({ regarding, reason, note }: AgentEvent): string {
  return JSON.stringify([objectText(regarding), reason, note]);
}

export const objectText = ({ kind, namespace, name }: EventObject): string =>
  namespace === "" ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
