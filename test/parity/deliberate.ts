import type { AddressKind, Cell } from "./cells.ts";
import { nodeOf } from "./objects.ts";
import type { Outcome } from "./outcome.ts";
import {
  type BackendName,
  backendNames,
  type Family,
  familiesOf,
  type ServiceCase,
} from "./scenario.ts";
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

/** The client's address instead of the node's, for the backends that keep it. */
function keeping(outcome: Outcome, keeps: (backend: BackendName) => boolean): Outcome {
  const kept = new Set(backendNames.filter(keeps).map((backend) => `${backend} from node`));
  const texts = outcome.map((text) => (kept.has(text) ? text.replace("node", "client") : text));
  return [...new Set(texts)].sort();
}

const isExternal = (kind: AddressKind): boolean => kind !== "ClusterIP" && kind !== "Loopback";

const isForeign = ({ labels = {} }: ServiceCase): boolean =>
  "service.kubernetes.io/service-proxy-name" in labels;

/** Whether a Service is programmed at all at this address (KP-01, KP-02, KP-22). */
function isServed({ kind, family }: Cell, service: ServiceCase): boolean {
  if (isForeign(service) || service.headless || service.type === "ExternalName") return false;
  if (kind === "LoadBalancer" && service.ipMode === "Proxy") return false;
  return familiesOf(service).includes(family);
}

/** Ranges of scenarios that hold the pods of all nodes. */
const podRanges = ["0.0.0.0/0", "::/0", "10.244.0.0/16", "fd00:10:244::/48"];

const deniesPods = ({ sourceRanges = [] }: ServiceCase, family: Family): boolean => {
  const own = sourceRanges.filter((range) => range.includes(":") === (family === "IPv6"));
  return own.length > 0 && !own.some((range) => podRanges.includes(range));
};

const only = (outcome: Outcome, ...texts: readonly string[]): boolean =>
  outcome.length > 0 && outcome.every((text) => texts.includes(text));

export const deliberate: readonly Deliberate[] = [
  {
    name: "a pod of another node is outside under externalTrafficPolicy Local",
    reason:
      "kube-proxy takes the whole cluster CIDR for its own pods and leads them to every endpoint; those on the pod's node answer it directly, and from the wrong address",
    expected: (outcome, { from, kind, family }, service, others) => {
      const isOurs =
        from === "remote" && isExternal(kind) && service.externalTrafficPolicy === "Local";
      const isDenied = kind === "LoadBalancer" && deniesPods(service, family);
      return isOurs && !isDenied ? (others("outside") ?? outcome) : outcome;
    },
  },
  {
    name: "a backend of the node sees the address of a client elsewhere",
    reason: "nothing is gained by hiding it, since the reply passes this node in any case",
    expected: (outcome, { from }) =>
      from === "outside" || from === "remote"
        ? keeping(outcome, (backend) => nodeOf(backend) === "a")
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
    reason:
      "a connect() can be answered but not dropped, and an answer now is better than a timeout (KP-14)",
    expected: (outcome, cell, service) => {
      const isLocal = cell.kind === "ClusterIP" && service.internalTrafficPolicy === "Local";
      const isDropped = isLocal && isServed(cell, service) && only(outcome, "dropped");
      return isDropped ? ["refused"] : outcome;
    },
  },
  {
    name: "the node itself is refused where source ranges deny it",
    reason: "likewise (KP-24)",
    expected: (outcome, cell, service) => {
      const isHeld = cell.kind === "LoadBalancer" && service.sourceRanges !== undefined;
      const isDenied = cell.from === "node" && isHeld && isServed(cell, service);
      return isDenied && only(outcome, "dropped") ? ["refused"] : outcome;
    },
  },
  {
    name: "a port of an external address that no Service has is refused",
    reason:
      "left alone it would go round between the node and its router until its TTL ends (PF-30)",
    expected: (outcome, cell, service) => {
      const { from, kind, servicePort, protocol } = cell;
      if (from === "node" && protocol === "UDP") return outcome;
      const isUnknown = kind !== "ClusterIP" && servicePort === undefined;
      const isLeft = isUnknown && isServed(cell, service) && only(outcome, "unreachable");
      return isLeft ? ["refused"] : outcome;
    },
  },
  {
    name: "a ClusterIP of another proxy's Service is left alone",
    reason: "it is that proxy's to serve, perhaps not on this node; kube-proxy drops it (KP-31)",
    expected: (outcome, { kind }, service) => {
      const isLeft = kind === "ClusterIP" && isForeign(service);
      return isLeft && only(outcome, "dropped") ? ["unreachable"] : outcome;
    },
  },
  {
    name: "a ClusterIP that no Service has is refused",
    reason: "an answer now is better than a timeout (KP-31)",
    expected: (outcome, cell, service) => {
      const isOurs = cell.kind === "ClusterIP" && !isForeign(service);
      const isRefused = isOurs && !isServed(cell, service) && only(outcome, "dropped");
      return isRefused ? ["refused"] : outcome;
    },
  },
  {
    name: "the node itself may connect a UDP socket to where nobody serves",
    reason:
      "getaddrinfo() connects UDP sockets to compare addresses, and sends nothing; sendto() is refused",
    expected: (outcome, cell, service) => {
      const { from, kind, servicePort, protocol } = cell;
      const isUnserved = servicePort === undefined || !isServed(cell, service);
      const isConnected = from === "node" && protocol === "UDP" && kind === "ClusterIP";
      return isConnected && isUnserved && only(outcome, "refused") ? ["unreachable"] : outcome;
    },
  },
];

/** Where it differs in what no cell shows; each has a test that asks for itself. */
export const apart: readonly Pick<Deliberate, "name" | "reason">[] = [
  {
    name: "a ClusterIP that a device of the node has is left to whoever listens there",
    reason:
      "a cache such as NodeLocal DNSCache binds it in order to answer; kube-proxy leads past it unless rules of the cache's own keep it from that (PF-45)",
  },
  {
    name: "NodePorts that answer at the loopback do so in IPv6, too",
    reason: "kube-proxy has them there in IPv4 alone, in mode iptables (KP-27)",
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
