import type { V1EndpointSlice } from "@kubernetes/client-node";
import type { Api } from "../controlplane/api.ts";
import { monotonicNs } from "../harness/load.ts";
import type { TestNode } from "../harness/node.ts";

/** Servers that take turns; all of them serve all the time, whether they are endpoints or not. */
export interface Server {
  readonly name: string;
  readonly address: string;
}

/** Starts pods that serve TCP and UDP at each port that a replacement may name. */
export const startServers = (node: TestNode, count: number): Promise<readonly Server[]> =>
  Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const pod = await node.makePod(`server-${index}`);
      await pod.serve({ tcp: ports, udp: ports });
      return { name: pod.name, address: pod.ip4 };
    }),
  );

/** One replacement of all endpoints. Times are nanoseconds of CLOCK_MONOTONIC. */
export interface Replacement {
  readonly servers: readonly Server[];
  /** Of all of them. */
  readonly port: number;
  /** Before the update went out to the API server. */
  readonly sentAt: number;
  /** When the API server had answered that it holds. */
  readonly answeredAt: number;
}

const namespace = "default";
const perTurn = 2;
/** Taken in turn as well: no two replacements of the same seconds look alike in the maps. */
const ports = Array.from({ length: 25 }, (_, index) => 8_000 + index);

/** Replaces the endpoints of a Service without a selector by the next two servers, again and again. */
export class Churn {
  readonly service: string;
  /** Every replacement so far, the first included that made the slice. */
  readonly replacements: Replacement[] = [];
  readonly #api: Api;
  readonly #servers: readonly Server[];

  constructor(api: Api, service: string, servers: readonly Server[]) {
    if (servers.length % perTurn !== 0) throw new Error("the servers take turns in pairs");
    this.service = service;
    this.#api = api;
    this.#servers = servers;
  }

  /** Makes the Service with TCP and UDP port 80, and its slice; gives the ClusterIP. */
  async begin(): Promise<string> {
    const { spec } = await this.#api.createService(this.service, {
      ports: [
        { name: "tcp", protocol: "TCP", port: 80 },
        { name: "udp", protocol: "UDP", port: 80 },
      ],
    });
    await this.#replace((body) =>
      this.#api.discovery.createNamespacedEndpointSlice({ namespace, body }),
    );
    return spec?.clusterIP ?? "";
  }

  /** One replacement; resolves once the API server holds it. */
  async turn(): Promise<void> {
    const name = this.service;
    await this.#replace((body) =>
      this.#api.discovery.replaceNamespacedEndpointSlice({ namespace, name, body }),
    );
  }

  /** Replaces at a steady rate until the time is over; what is late is caught up with. */
  async run(perSecond: number, durationMs: number, goesOn = () => true): Promise<void> {
    const start = performance.now();
    for (let turn = 0; turn < (durationMs * perSecond) / 1_000 && goesOn(); turn++) {
      await notBefore(start + (turn * 1_000) / perSecond);
      await this.turn();
    }
  }

  async #replace(send: (body: V1EndpointSlice) => Promise<unknown>): Promise<void> {
    const turn = this.replacements.length;
    const first = (turn * perTurn) % this.#servers.length;
    const servers = this.#servers.slice(first, first + perTurn);
    const port = ports[turn % ports.length] as number;
    const sentAt = monotonicNs();
    await send(this.#slice(servers, port));
    this.replacements.push({ servers, port, sentAt, answeredAt: monotonicNs() });
  }

  #slice(servers: readonly Server[], port: number): V1EndpointSlice {
    return {
      metadata: { name: this.service, labels: { "kubernetes.io/service-name": this.service } },
      addressType: "IPv4",
      ports: [
        { name: "tcp", protocol: "TCP", port },
        { name: "udp", protocol: "UDP", port },
      ],
      endpoints: servers.map(({ address }) => ({ addresses: [address] })),
    };
  }
}

async function notBefore(time: number): Promise<void> {
  const wait = time - performance.now();
  if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
}
