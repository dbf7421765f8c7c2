import type { Endpoint } from "../model/endpoint.ts";
import type { JoinedEndpoint } from "./join.ts";
import type { EndpointPolicy } from "./policy.ts";
import type { Backend } from "./records.ts";
import { isAllowed, type Locality, topologyMode } from "./topology.ts";

type Rule = (endpoint: Endpoint) => boolean;

const none: Rule = () => false;
const isDraining: Rule = (endpoint) => endpoint.serving && endpoint.terminating;

/** The endpoints that are in the cluster set, the local set or both; the others are left out. */
export function selectBackends(
  joined: readonly JoinedEndpoint[],
  policy: EndpointPolicy,
  node: Locality,
): readonly Backend[] {
  const isInCluster = policy.usesCluster ? clusterRule(joined, node) : none;
  const isInLocal = policy.usesLocal ? localRule(joined, node) : none;
  const backends: Backend[] = [];
  for (const { address, port, endpoint, weight } of joined) {
    const inCluster = isInCluster(endpoint);
    const inLocal = isInLocal(endpoint);
    if (!inCluster && !inLocal) continue;
    const { ready, serving, terminating } = endpoint;
    const local = endpoint.nodeName === node.name;
    backends.push({
      address,
      port,
      inCluster,
      inLocal,
      local,
      ready,
      serving,
      terminating,
      weight,
    });
  }
  return backends;
}

/** Ready and allowed by topology; where nothing is ready, serving and terminating (KP-12). */
function clusterRule(joined: readonly JoinedEndpoint[], node: Locality): Rule {
  const mode = topologyMode(joined, node);
  return firstMet(joined, (endpoint) => endpoint.ready && isAllowed(mode, endpoint, node));
}

/** Local and ready; where no local one is, local, serving and terminating. No hints (KP-13). */
function localRule(joined: readonly JoinedEndpoint[], node: Locality): Rule {
  const isLocal: Rule = (endpoint) => endpoint.nodeName === node.name;
  const isUsable = firstMet(joined, (endpoint) => endpoint.ready && isLocal(endpoint));
  return (endpoint) => isUsable(endpoint) && isLocal(endpoint);
}

function firstMet(joined: readonly JoinedEndpoint[], rule: Rule): Rule {
  return joined.some(({ endpoint }) => rule(endpoint)) ? rule : isDraining;
}
