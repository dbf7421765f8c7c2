import type { ListedResource } from "./listed_api.ts";

/** On the loopback of each node's network. */
export const apiPort = 6443;
export const SERVICES = 1_000;
export const ECHO_PORT = 9000;
export const SINK_PORT = 9900;

const namespace = "bench";
const FIRST_NODE_PORT = 30_000;

/** NodePort of the n-th Service, for TCP and UDP; the last Service is the sink, all others echo. */
export const nodePort = (n: number): number => FIRST_NODE_PORT + n;
export const sinkNodePort = nodePort(SERVICES - 1);

export interface NodeObject {
  readonly name: string;
  readonly address: string;
}

/** What a cluster holds whose Services all lead to these pods, which run on the node. */
export function northSouthObjects(
  node: NodeObject,
  pods: readonly string[],
): Record<ListedResource, readonly unknown[]> {
  const numbers = Array.from({ length: SERVICES }, (_, n) => n);
  return {
    nodes: [nodeObject(node)],
    services: numbers.map(serviceObject),
    endpointslices: numbers.map((n) => sliceObject(n, node.name, pods)),
    servicecidrs: [],
  };
}

const nodeObject = ({ name, address }: NodeObject) => ({
  metadata: { name, uid: `node-${name}`, resourceVersion: "1" },
  status: { addresses: [{ type: "InternalIP", address }] },
});

const protocols = ["TCP", "UDP"] as const;
const serviceName = (n: number): string => `s${n}`;

function serviceObject(n: number) {
  const clusterIP = `10.96.${n >> 8}.${n & 0xff}`;
  const ports = protocols.map((protocol) => ({
    name: protocol.toLowerCase(),
    protocol,
    port: 80,
    nodePort: nodePort(n),
  }));
  return {
    metadata: { namespace, name: serviceName(n), uid: `service-${n}`, resourceVersion: "1" },
    spec: {
      type: "NodePort",
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: ["IPv4"],
      ipFamilyPolicy: "SingleStack",
      sessionAffinity: "None",
      internalTrafficPolicy: "Cluster",
      externalTrafficPolicy: "Cluster",
      ports,
    },
    status: { loadBalancer: {} },
  };
}

function sliceObject(n: number, nodeName: string, pods: readonly string[]) {
  const port = n === SERVICES - 1 ? SINK_PORT : ECHO_PORT;
  return {
    metadata: {
      namespace,
      name: `${serviceName(n)}-a`,
      uid: `slice-${n}`,
      resourceVersion: "1",
      labels: { "kubernetes.io/service-name": serviceName(n) },
    },
    addressType: "IPv4",
    endpoints: pods.map((address) => ({
      addresses: [address],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName,
    })),
    ports: protocols.map((protocol) => ({ name: protocol.toLowerCase(), protocol, port })),
  };
}
