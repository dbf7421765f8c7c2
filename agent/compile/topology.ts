import type { Endpoint } from "../model/endpoint.ts";
import type { JoinedEndpoint } from "./join.ts";

/** Where this node is, as far as the choice of endpoints goes (KP-05). */
export interface Locality {
  readonly name: string;
  readonly zone: string | undefined;
}

export type TopologyMode = "SameNode" | "SameZone" | "none";

/**
 * Hints count only when every ready endpoint bears them and one names this node, or else this zone
 * (KP-11; pkg/proxy/topology.go of Kubernetes 1.36). An empty list of hints is none.
 */
export function topologyMode(joined: readonly JoinedEndpoint[], node: Locality): TopologyMode {
  let everyNode = true;
  let everyZone = true;
  let thisNode = false;
  let thisZone = false;
  for (const { endpoint } of joined) {
    if (!endpoint.ready) continue;
    everyNode &&= isHinted(endpoint.nodeHints);
    everyZone &&= isHinted(endpoint.zoneHints);
    if (!everyNode && !everyZone) return "none";
    thisNode ||= isHintedFor(endpoint.nodeHints, node.name);
    thisZone ||= isHintedFor(endpoint.zoneHints, node.zone);
  }
  if (everyNode && thisNode) return "SameNode";
  return everyZone && thisZone ? "SameZone" : "none";
}

export function isAllowed(mode: TopologyMode, endpoint: Endpoint, node: Locality): boolean {
  switch (mode) {
    case "SameNode":
      return isHintedFor(endpoint.nodeHints, node.name);
    case "SameZone":
      return isHintedFor(endpoint.zoneHints, node.zone);
    case "none":
      return true;
  }
}

function isHinted(hints: readonly string[] | undefined): boolean {
  return hints !== undefined && hints.length > 0;
}

function isHintedFor(hints: readonly string[] | undefined, place: string | undefined): boolean {
  return hints !== undefined && place !== undefined && hints.includes(place);
}
