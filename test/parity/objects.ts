import type { ApiObject } from "./api.ts";
import {
  type BackendName,
  type EndpointCase,
  type Family,
  familiesOf,
  type NodeCase,
  type PortCase,
  portsOf,
  type ServiceCase,
  type SliceCase,
} from "./scenario.ts";

/** Both addresses of whatever has them. */
export interface Addressed {
  readonly ip4: string;
  readonly ip6: string;
}

export const addressIn = ({ ip4, ip6 }: Addressed, family: Family): string =>
  family === "IPv4" ? ip4 : ip6;

export type Backends = Readonly<Record<BackendName, Addressed>>;

const namespace = "default";
const NODE_PORTS = 2_700;
const NODE_PORTS_EACH = 3;

/** The addresses of the n-th Service, n from 16 to 65,535; NodePorts begin anew after 900 of them. */
export class Place {
  readonly n: number;

  constructor(n: number) {
    this.n = n;
  }

  #in(range: number): Addressed {
    const ip4 = `10.${range}.${this.n >> 8}.${this.n & 0xff}`;
    return { ip4, ip6: `fd00:${range}::${this.n.toString(16)}` };
  }

  /** Of the Service. */
  get name(): string {
    return `s${this.n}`;
  }

  get clusterIP(): Addressed {
    return this.#in(96);
  }

  get externalIP(): Addressed {
    return this.#in(97);
  }

  get balancer(): Addressed {
    return this.#in(98);
  }

  /** Of a Service that has no third NodePort. */
  get healthCheckNodePort(): number {
    return this.nodePort(NODE_PORTS_EACH - 1);
  }

  nodePort(index: number): number {
    return 30_000 + ((this.n * NODE_PORTS_EACH + index) % NODE_PORTS);
  }
}

/** Of all Services: ClusterIPs, external addresses and those of balancers. */
export const serviceRanges = [96, 97, 98].flatMap((range) => [
  `10.${range}.0.0/16`,
  `fd00:${range}::/112`,
]);

export const serviceCidrObject = (): ApiObject => ({
  metadata: { name: "kubernetes" },
  spec: { cidrs: ["10.96.0.0/16", "fd00:96::/112"] },
  status: { conditions: [{ type: "Ready", status: "True" }] },
});

export const nodeObject = (
  name: string,
  { ip4, ip6 }: Addressed,
  { zone }: NodeCase,
): ApiObject => ({
  metadata: {
    name,
    labels: {
      "kubernetes.io/hostname": name,
      ...(zone === undefined ? {} : { "topology.kubernetes.io/zone": zone }),
    },
  },
  spec: {},
  status: { addresses: [ip4, ip6].map((address) => ({ type: "InternalIP", address })) },
});

export const portName = ({ name, protocol }: PortCase): string => name ?? protocol.toLowerCase();

export function hasNodePorts({ type }: ServiceCase): boolean {
  return type === "NodePort" || type === "LoadBalancer";
}

/** NodePort of a port, where it has one. */
export function nodePortOf(service: ServiceCase, port: PortCase, place: Place): number | undefined {
  const { nodePort = 0 } = port;
  return !hasNodePorts(service) || nodePort === false ? undefined : place.nodePort(nodePort);
}

const portObject = (service: ServiceCase, port: PortCase, place: Place) => ({
  name: portName(port),
  protocol: port.protocol,
  port: port.port ?? 80,
  targetPort: port.targetPort ?? 8080,
  nodePort: nodePortOf(service, port, place),
});

export function serviceObject(name: string, service: ServiceCase, place: Place): ApiObject {
  const { type = "ClusterIP", labels, headless = false, ipMode, sourceRanges } = service;
  const families = familiesOf(service);
  const all = (addressed: Addressed) => families.map((family) => addressIn(addressed, family));
  const clusterIPs = headless ? ["None"] : all(place.clusterIP);
  const isExternal = hasNodePorts(service) || service.externalIP === true;
  return plain({
    metadata: { name, namespace, labels },
    spec: {
      type,
      ...(type === "ExternalName" ? { externalName: "example.org" } : {}),
      ...(type === "ExternalName" ? {} : { clusterIP: clusterIPs[0], clusterIPs }),
      ipFamilies: families,
      ipFamilyPolicy: families.length === 2 ? "RequireDualStack" : "SingleStack",
      internalTrafficPolicy: service.internalTrafficPolicy ?? "Cluster",
      externalTrafficPolicy: isExternal ? (service.externalTrafficPolicy ?? "Cluster") : undefined,
      externalIPs: service.externalIP ? all(place.externalIP) : undefined,
      loadBalancerSourceRanges: sourceRanges,
      healthCheckNodePort: service.healthCheck ? place.healthCheckNodePort : undefined,
      trafficDistribution: service.trafficDistribution,
      ports: portsOf(service).map((port) => portObject(service, port, place)),
      ...affinity(service),
    },
    status: {
      loadBalancer:
        type === "LoadBalancer"
          ? { ingress: all(place.balancer).map((ip) => ({ ip, ipMode })) }
          : {},
    },
  });
}

function affinity({ affinitySeconds }: ServiceCase) {
  if (affinitySeconds === undefined) return { sessionAffinity: "None" };
  return {
    sessionAffinity: "ClientIP",
    sessionAffinityConfig: { clientIP: { timeoutSeconds: affinitySeconds } },
  };
}

export function sliceObjects(
  name: string,
  service: ServiceCase,
  backends: Backends,
): readonly ApiObject[] {
  const slices = service.slices ?? [{ endpoints: service.endpoints ?? [] }];
  return slices.flatMap((slice, index) =>
    (slice.families ?? familiesOf(service)).map((family) =>
      sliceObject(`${name}-${index}`, name, slice, portsOf(service), family, backends),
    ),
  );
}

function sliceObject(
  prefix: string,
  service: string,
  slice: SliceCase,
  servicePorts: readonly PortCase[],
  family: Family,
  backends: Backends,
): ApiObject {
  const { serviceName = service, labels, ports = servicePorts, addressType = family } = slice;
  const own = serviceName === null ? {} : { "kubernetes.io/service-name": serviceName };
  return plain({
    metadata: {
      name: `${prefix}-${family.toLowerCase()}`,
      namespace,
      labels: { ...own, ...labels },
    },
    addressType,
    endpoints: slice.endpoints.map((endpoint) => endpointObject(endpoint, family, backends)),
    ports: ports.map((port) => ({
      name: port.sliceName === null ? undefined : (port.sliceName ?? portName(port)),
      protocol: port.protocol,
      port: port.targetPort === null ? undefined : (port.targetPort ?? 8080),
    })),
  });
}

export const nodeOf = (backend: BackendName): "a" | "b" =>
  backend === "b-0" || backend === "b-1" || backend === "host-b" ? "b" : "a";

function endpointObject(endpoint: EndpointCase, family: Family, backends: Backends) {
  const { on, ready = true, serving = ready, terminating = false, also } = endpoint;
  const { nodeName = nodeOf(on), zoneHints, nodeHints } = endpoint;
  const hint = (names: readonly string[] | undefined) => names?.map((name) => ({ name }));
  const hasHints = zoneHints !== undefined || nodeHints !== undefined;
  return {
    addresses: [on, ...(also === undefined ? [] : [also])].map((name) =>
      addressIn(backends[name], family),
    ),
    conditions: {
      ready: ready ?? undefined,
      serving: serving ?? undefined,
      terminating: terminating ?? undefined,
    },
    nodeName: nodeName ?? undefined,
    hints: hasHints ? { forZones: hint(zoneHints), forNodes: hint(nodeHints) } : undefined,
  };
}

/** As it would come over the wire: without what is undefined. */
const plain = (object: unknown): ApiObject => JSON.parse(JSON.stringify(object)) as ApiObject;
