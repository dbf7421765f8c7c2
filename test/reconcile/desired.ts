import type { Backend, DesiredService } from "../../agent/compile/records.ts";

/** A Service port with cluster-wide endpoints, each "address:port". */
export const desired = (
  name: string,
  address: string,
  endpoints: readonly string[],
  rest: Partial<DesiredService> = {},
): DesiredService => ({
  id: { namespace: "default", name, portName: "", protocol: "TCP", family: "IPv4" },
  port: 80,
  frontends: [{ kind: "ClusterIP", address, port: 80 }],
  backends: endpoints.map(backend),
  affinityTimeoutSeconds: 0,
  internalLocal: false,
  externalLocal: false,
  algorithm: "random",
  sourceRanges: undefined,
  ...rest,
});

export function backend(endpoint: string): Backend {
  const [address = "", port] = endpoint.split(":");
  return {
    address,
    port: Number(port),
    inCluster: true,
    inLocal: false,
    local: false,
    ready: true,
    serving: true,
    terminating: false,
    weight: 1,
  };
}

export const udp = (service: DesiredService): DesiredService => ({
  ...service,
  id: { ...service.id, protocol: "UDP" },
});
