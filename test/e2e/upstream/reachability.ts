import type { V1ServicePort, V1ServiceSpec } from "@kubernetes/client-node";
import { attempt, type Site, type Target } from "../../harness/load.ts";
import { until } from "../../harness/until.ts";
import { reaches } from "../reach.ts";
import type { Stage } from "./stage.ts";

/** Of a Service, where it is to be had. */
export interface Exposed {
  readonly spec?: V1ServiceSpec;
}

/** Ways to a Service: for clients in the cluster, and for those outside. */
export interface Ways {
  readonly inside: readonly Target[];
  readonly outside: readonly Target[];
}

/** Every address of a Service at each of its ports, or at the one of this name. */
export function waysInto({ nodes }: Stage, { spec }: Exposed, portName?: string): Ways {
  const ports = (spec?.ports ?? []).filter(({ name }) => name === (portName ?? name));
  const families = spec?.ipFamilies ?? [];
  const nodeAddresses = Object.values(nodes).flatMap(({ ip4, ip6 }) =>
    families.map((family) => (family === "IPv6" ? ip6 : ip4)),
  );
  const cluster = waysAt(spec?.clusterIPs, ports, ({ port }) => port);
  const external = waysAt(spec?.externalIPs, ports, ({ port }) => port);
  const node = waysAt(nodeAddresses, ports, ({ nodePort }) => nodePort);
  return { inside: [...cluster, ...external, ...node], outside: [...external, ...node] };
}

const waysAt = (
  addresses: readonly string[] | undefined,
  ports: readonly V1ServicePort[],
  portOf: (port: V1ServicePort) => number | undefined,
): readonly Target[] =>
  (addresses ?? []).flatMap((address) =>
    ports.flatMap((each) => {
      const port = portOf(each);
      const protocol = each.protocol === "UDP" ? "udp" : "tcp";
      return port === undefined ? [] : [{ protocol, address, port } as const];
    }),
  );

/** Who asks for a Service: pods of both nodes, without and with hostNetwork. */
export const insiders = ({ pods, hostPods }: Stage): readonly Site[] => [
  ...Object.values(pods),
  ...Object.values(hostPods),
];

/**
 * Resolves once pods of both nodes, without and with hostNetwork, and the client outside where there
 * is a way for it, are answered by all of these and by nobody else, at every address of the Service.
 */
export async function isReachable(
  stage: Stage,
  service: Exposed,
  backends: readonly string[],
  portName?: string,
): Promise<void> {
  const { inside, outside } = waysInto(stage, service, portName);
  await Promise.all([
    ...insiders(stage).map((client) => reaches(client, inside, ...backends)),
    reaches(stage.outside, outside, ...backends),
  ]);
}

/**
 * As `isReachable`, where every client is refused. A connected UDP socket of the host network is not
 * told (ARCHITECTURE.md, "Where it differs from kube-proxy"): nobody answers it.
 */
export async function isRefused(stage: Stage, service: Exposed, portName?: string): Promise<void> {
  const { inside, outside } = waysInto(stage, service, portName);
  const told = (ways: readonly Target[]) => ways.filter(({ protocol }) => protocol === "tcp");
  await Promise.all([
    ...Object.values(stage.pods).map((client) => reaches(client, inside, "ECONNREFUSED")),
    ...Object.values(stage.hostPods).map((client) => reaches(client, told(inside), "ECONNREFUSED")),
    ...Object.values(stage.hostPods).map((client) => isUnanswered(client, inside)),
    reaches(stage.outside, outside, "ECONNREFUSED"),
  ]);
}

async function isUnanswered(client: Site, ways: readonly Target[]): Promise<void> {
  for (const way of ways) {
    await until(
      async () => (await attempt(client, way, { timeoutMs: 300 })).every(({ ok }) => !ok),
      {
        deadlineMs: 20_000,
        describe: `${way.protocol} ${way.address} ${way.port} to have nobody who answers`,
      },
    );
  }
}

/**
 * Resolves once both agents know of this many endpoints of a Service, over all of its ports: what is
 * asked then does not wait for an answer of a pod that has just gone.
 */
export async function isPublished(
  { agents }: Stage,
  name: string,
  endpoints: number,
): Promise<void> {
  for (const agent of Object.values(agents)) {
    await until(
      async () => {
        const reports = (await agent.services()).filter((each) => each.name === name);
        return ["IPv4", "IPv6"].every(
          (wanted) =>
            reports.flatMap(({ family, cluster }) => (family === wanted ? cluster : [])).length ===
            endpoints,
        );
      },
      { deadlineMs: 20_000, describe: `${name} to have ${endpoints} endpoints in each family` },
    );
  }
}
