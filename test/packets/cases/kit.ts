import type { BackendSpec, FrontendSpec, ServiceSpec } from "../model/configuration.ts";
import type { EthernetSpec, PacketSpec, Transport } from "../packet/packet.ts";
import {
  client,
  ext0,
  ext1,
  type Family,
  local0,
  node,
  node2Mac,
  type Place,
  pod0,
  podMac,
  routerMac,
  type WorldDevice,
} from "../world.ts";

export type Protocol = ServiceSpec["protocol"];

export const clientPort = 51000;
export const nodePort = 30080;
export const servicePort = 80;
export const targetPort = 8080;

/** Bytes of the headers without options. */
export const networkHeader = (k: Kit): number => (k.family === "v4" ? 20 : 40);
export const transportHeader = (k: Kit): number => ({ tcp: 20, udp: 8, sctp: 16 })[k.protocol];

/** The words of a case, in one family and one protocol. */
export interface Kit {
  readonly family: Family;
  readonly protocol: Protocol;
  readonly label: string;
  /** What opens a connection: SYN, INIT, or a datagram. */
  first(sourcePort: number, destinationPort: number): Transport;
  /** What follows on it, with payload. */
  next(sourcePort: number, destinationPort: number): Transport;
  packet(
    ethernet: EthernetSpec,
    source: Place,
    destination: Place,
    transport: Transport,
  ): PacketSpec;
  service(options: Omit<ServiceSpec, "protocol">): ServiceSpec;
  at(kind: FrontendSpec["kind"], place: Place, port?: number): FrontendSpec;
  backend(place: Place, options?: Partial<BackendSpec>): BackendSpec;
}

/** A frame that comes in by a device, from this neighbour. */
export const into = (device: WorldDevice, neighbour: string): EthernetSpec => ({
  source: neighbour,
  destination: device.mac,
});

export const outOf = (device: WorldDevice, neighbour: string): EthernetSpec => ({
  source: device.mac,
  destination: neighbour,
});

export const fromRouter = into(ext0, routerMac);
export const toRouter = outOf(ext0, routerMac);
export const fromNode2 = into(ext1, node2Mac);
export const toNode2 = outOf(ext1, node2Mac);
export const fromPod = (device: WorldDevice): EthernetSpec => into(device, podMac(device));
export const toPod = (device: WorldDevice): EthernetSpec => outOf(device, podMac(device));

const payload = new TextEncoder().encode("to be or not to be");

/** Initiate tag, window, streams and first sequence number (RFC 9260 3.3.2). */
export const initPayload = Uint8Array.from([
  0xca, 0xfe, 0, 1, 0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 9,
]);

type Opening = Record<"first" | "next", (sourcePort: number, destinationPort: number) => Transport>;

const openings: Readonly<Record<Protocol, Opening>> = {
  tcp: {
    first: (sourcePort, destinationPort) => ({
      kind: "tcp",
      sourcePort,
      destinationPort,
      flags: "S",
      options: [2, 4, 5, 180],
    }),
    next: (sourcePort, destinationPort) => ({
      kind: "tcp",
      sourcePort,
      destinationPort,
      flags: "PA",
      ack: 7,
      payload,
    }),
  },
  udp: {
    first: (sourcePort, destinationPort) => ({ kind: "udp", sourcePort, destinationPort, payload }),
    next: (sourcePort, destinationPort) => ({ kind: "udp", sourcePort, destinationPort, payload }),
  },
  sctp: {
    first: (sourcePort, destinationPort) => ({
      kind: "sctp",
      sourcePort,
      destinationPort,
      chunk: "init",
      payload: initPayload,
    }),
    next: (sourcePort, destinationPort) => ({
      kind: "sctp",
      sourcePort,
      destinationPort,
      chunk: "data",
      payload,
    }),
  },
};

export function kit(family: Family, protocol: Protocol): Kit {
  return {
    family,
    protocol,
    label: `${protocol.toUpperCase()} over IP${family}`,
    ...openings[protocol],
    packet: (ethernet, source, destination, transport) => ({
      ethernet,
      source: source[family],
      destination: destination[family],
      transport,
    }),
    service: (options) => ({ protocol, ...options }),
    at: (kind, place, port = kind === "NodePort" ? nodePort : servicePort) => ({
      kind,
      address: place[family],
      port,
    }),
    backend: (place, options = {}) => ({ address: place[family], port: targetPort, ...options }),
  };
}

export const everyKit: readonly Kit[] = [
  kit("v4", "tcp"),
  kit("v6", "tcp"),
  kit("v4", "udp"),
  kit("v6", "udp"),
  kit("v4", "sctp"),
  kit("v6", "sctp"),
];

/** The client's first packet to a service, as the router hands it on. */
export const fromClient = (k: Kit, destination: Place, port: number, sourcePort = clientPort) =>
  k.packet(fromRouter, client, destination, k.first(sourcePort, port));

/** A NodePort with one backend. */
export const behind = (k: Kit, place: Place, local = false) => ({
  services: [
    k.service({ frontends: [k.at("NodePort", node)], backends: [k.backend(place, { local })] }),
  ],
});

/** The client's packet past the stack at the first pod of the node. */
export const forwarded = (k: Kit, packet: PacketSpec, transport: Transport): PacketSpec => ({
  ...packet,
  ethernet: toPod(pod0),
  destination: local0[k.family],
  ttl: (packet.ttl ?? 64) - 1,
  transport,
});
