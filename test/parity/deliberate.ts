import type { AddressKind, Cell } from "./cells.ts";
import { nodeOf } from "./objects.ts";
import type { Outcome } from "./outcome.ts";
import { type BackendName, backendNames, type EndpointCase, type ServiceCase } from "./scenario.ts";
import type { Position } from "./side.ts";

export type Others = (from: Position) => Outcome | undefined;

/** Where sluice differs from kube-proxy on purpose: what kube-proxy does becomes what is expected. */
export interface Deliberate {
  readonly name: string;
  readonly reason: string;
  /**
   * What sluice is expected to show where kube-proxy shows `outcome`; `others` tells what kube-proxy
   * shows to another client at the same place.
   */
  readonly expected: (
    outcome: Outcome,
    cell: Cell,
    service: ServiceCase,
    others: Others,
  ) => Outcome;
}

const endpointsOf = ({ endpoints = [], slices }: ServiceCase): readonly EndpointCase[] =>
  slices?.flatMap(({ endpoints: own }) => own) ?? endpoints;

const isLocal = (service: ServiceCase, backend: BackendName): boolean =>
  endpointsOf(service).some(({ on, nodeName = nodeOf(on) }) => on === backend && nodeName === "a");

/** The client's address instead of the node's, for the backends that keep it. */
function keeping(outcome: Outcome, keeps: (backend: BackendName) => boolean): Outcome {
  const kept = new Set(backendNames.filter(keeps).map((backend) => `${backend} from node`));
  const texts = outcome.map((text) => (kept.has(text) ? text.replace("node", "client") : text));
  return [...new Set(texts)].sort();
}

const isExternal = (kind: AddressKind): boolean => kind !== "ClusterIP" && kind !== "Loopback";

const only = (outcome: Outcome, ...texts: readonly string[]): boolean =>
  outcome.length > 0 && outcome.every((text) => texts.includes(text));

export const deliberate: readonly Deliberate[] = [
  {
    name: "a pod of another node is outside under externalTrafficPolicy Local",
    reason:
      "kube-proxy takes the whole cluster CIDR for its own pods and leads them to every endpoint; what arrives from another node has been through its proxy",
    expected: (outcome, { from, kind }, service, others) => {
      const isOurs =
        from === "remote" && isExternal(kind) && service.externalTrafficPolicy === "Local";
      const isDenied = kind === "LoadBalancer" && only(outcome, "dropped");
      return isOurs && !isDenied ? (others("outside") ?? outcome) : outcome;
    },
  },
  {
    name: "a backend of the node sees the address of a client elsewhere",
    reason: "nothing is gained by hiding it: the reply passes this node in any case",
    expected: (outcome, { from }, service) =>
      from === "outside" || from === "remote"
        ? keeping(outcome, (backend) => isLocal(service, backend))
        : outcome,
  },
  {
    name: "a pod keeps its own address towards external addresses and NodePorts",
    reason: "its traffic takes the same way as to a ClusterIP, which is not masqueraded either",
    expected: (outcome, { from, kind }) => {
      if (!isExternal(kind)) return outcome;
      if (from === "pod") return keeping(outcome, () => true);
      return from === "bypass" ? keeping(outcome, (backend) => backend !== "bypass") : outcome;
    },
  },
  {
    name: "a pod that reaches itself at its socket sees its own address",
    reason: "its socket is connected to itself; masquerade is for packets that must come back",
    expected: (outcome, { from }) =>
      from === "pod" ? keeping(outcome, (backend) => backend === "a-0") : outcome,
  },
  {
    name: "internalTrafficPolicy Local without an endpoint here refuses at once",
    reason: "a connect() can be answered but not dropped, and an answer is better than a timeout",
    expected: (outcome, { kind, servicePort }, { internalTrafficPolicy }) =>
      kind === "ClusterIP" &&
      servicePort !== undefined &&
      internalTrafficPolicy === "Local" &&
      only(outcome, "dropped")
        ? ["refused"]
        : outcome,
  },
  {
    name: "the node itself is refused where source ranges deny it",
    reason: "as for the internal policy: its connect() can be answered but not dropped",
    expected: (outcome, { from, kind }, { sourceRanges }) =>
      from === "node" &&
      kind === "LoadBalancer" &&
      sourceRanges !== undefined &&
      only(outcome, "dropped")
        ? ["refused"]
        : outcome,
  },
  {
    name: "a port of an external address that no Service has is refused",
    reason:
      "left alone it would go round between the node and its router until its TTL ends (PF-30)",
    expected: (outcome, { kind, servicePort }) =>
      (kind === "ExternalIP" || kind === "LoadBalancer") &&
      servicePort === undefined &&
      only(outcome, "dropped", "unreachable")
        ? ["refused"]
        : outcome,
  },
];

/** `outcome` as sluice should show it. */
export function expectedOf(
  outcome: Outcome,
  cell: Cell,
  service: ServiceCase,
  others: Others,
): Outcome {
  return deliberate.reduce(
    (sofar, { expected }) => expected(sofar, cell, service, others),
    outcome,
  );
}
