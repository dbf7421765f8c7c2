import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Address {
  readonly ip4: string;
  readonly ip6: string;
}

/** ClusterIPs, to which nothing in the guest has a route. */
export const SERVED: Address = { ip4: "10.96.0.10", ip6: "fd00:96::10" };
export const EMPTY: Address = { ip4: "10.96.0.11", ip6: "fd00:96::11" };
export const MOVING: Address = { ip4: "10.96.0.12", ip6: "fd00:96::12" };

/** What answers for a Service; local where it names the guest's node. */
export interface Backend extends Address {
  readonly nodeName?: string;
}

export const NODE_NAME = "guest";
export const NODE: Address = { ip4: "192.0.2.1", ip6: "2001:db8::1" };

/** Addresses of the guest's loopback device, at which its backends listen. */
export const BACKENDS: readonly [Address, Address] = [
  { ip4: "10.244.0.11", ip6: "fd00:244::11" },
  { ip4: "10.244.0.12", ip6: "fd00:244::12" },
];

/** In a namespace of the guest, and in the one that stands for everything outside of it. */
export const POD: Backend = { ip4: "10.244.1.2", ip6: "fd00:244:1::2", nodeName: NODE_NAME };
export const REMOTE: Backend = { ip4: "198.51.100.7", ip6: "2001:db8:7::7" };

/** Services that are asked for from outside, by what answers for them. */
export const OUTSIDE = {
  pod: { ip4: "10.96.0.20", ip6: "fd00:96::20", nodePort: 30_020 },
  remote: { ip4: "10.96.0.21", ip6: "fd00:96::21", nodePort: 30_021 },
  host: { ip4: "10.96.0.22", ip6: "fd00:96::22", nodePort: 30_022 },
  nobody: { ip4: "10.96.0.23", ip6: "fd00:96::23", nodePort: 30_023 },
} as const;

export const SERVICE_PORT = 80;
export const BACKEND_PORT = 8080;

/** Writes a Service and its EndpointSlices; a file appears whole, as an editor would save it. */
export const publish = (
  folder: string,
  name: string,
  address: Address & { readonly nodePort?: number },
  backends: readonly Backend[],
): void => {
  write(folder, name, [
    service(name, address, address.nodePort),
    slice(name, "IPv4", backends),
    slice(name, "IPv6", backends),
  ]);
};

export const publishNode = (folder: string): void =>
  write(folder, "node", [
    {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: NODE_NAME },
      status: {
        addresses: [NODE.ip4, NODE.ip6].map((address) => ({ type: "InternalIP", address })),
      },
    },
  ]);

const write = (folder: string, name: string, objects: readonly object[]): void => {
  mkdirSync(folder, { recursive: true });
  // JSON is YAML; objects of one file are documents of one stream.
  const text = objects.map((object) => `---\n${JSON.stringify(object)}\n`).join("");
  const scratch = join(folder, `.${name}`);
  writeFileSync(scratch, text);
  renameSync(scratch, join(folder, `${name}.yaml`));
};

const PROTOCOLS = ["TCP", "UDP", "SCTP"];

const service = (name: string, address: Address, nodePort: number | undefined) => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: "default" },
  spec: {
    type: nodePort === undefined ? "ClusterIP" : "NodePort",
    clusterIP: address.ip4,
    clusterIPs: [address.ip4, address.ip6],
    ipFamilies: ["IPv4", "IPv6"],
    ipFamilyPolicy: "RequireDualStack",
    ports: PROTOCOLS.map((protocol) => ({
      name: protocol.toLowerCase(),
      protocol,
      port: SERVICE_PORT,
      targetPort: BACKEND_PORT,
      nodePort,
    })),
  },
});

const slice = (name: string, addressType: "IPv4" | "IPv6", backends: readonly Backend[]) => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: {
    name: `${name}-${addressType.toLowerCase()}`,
    namespace: "default",
    labels: { "kubernetes.io/service-name": name },
  },
  addressType,
  ports: PROTOCOLS.map((protocol) => ({
    name: protocol.toLowerCase(),
    protocol,
    port: BACKEND_PORT,
  })),
  endpoints: backends.map((backend) => ({
    addresses: [addressType === "IPv4" ? backend.ip4 : backend.ip6],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: backend.nodeName,
  })),
});
