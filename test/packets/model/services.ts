import { ipBytes } from "../packet/address.ts";
import { devices, ext0 } from "../world.ts";
import {
  type BackendSpec,
  type Configuration,
  type FrontendSpec,
  nodePorts,
  type ServiceSpec,
} from "./configuration.ts";
import { SCTP, TCP, type Tuple, UDP } from "./headers.ts";
import { covers } from "./routing.ts";

export interface Found {
  readonly place: number;
  readonly service: ServiceSpec;
  readonly kind: FrontendSpec["kind"];
}

const protocolNames: Readonly<Record<number, ServiceSpec["protocol"]>> = {
  [TCP]: "tcp",
  [UDP]: "udp",
  [SCTP]: "sctp",
};

export const addressKey = (address: Uint8Array): string => address.join();

const nodeAddresses = new Set(
  devices.flatMap(({ addresses }) =>
    addresses.map((each) => addressKey(ipBytes(each.replace(/\/.*/, "")))),
  ),
);

export const isNodeAddress = (address: Uint8Array): boolean =>
  nodeAddresses.has(addressKey(address));

const nodePortAddresses = new Set([ext0.v4, ext0.v6].map((each) => addressKey(ipBytes(each))));

type Prefix = readonly [address: Uint8Array, bits: number];

const prefixOf = (cidr: string): Prefix => {
  const [address = "", bits] = cidr.split("/");
  return [ipBytes(address), Number(bits)];
};

/** The frontends of a configuration, by what they answer to. */
export class Services {
  readonly #exact = new Map<string, Found>();
  readonly #nodePorts = new Map<string, Found>();
  readonly #unserved: ReadonlySet<string>;
  readonly #serviceCidrs: readonly Prefix[];
  readonly #ranges = new Map<ServiceSpec, readonly Prefix[]>();

  constructor(configuration: Configuration) {
    for (const [place, service] of configuration.services.entries()) {
      for (const frontend of service.frontends) this.#add(place, service, frontend);
      const ranges = service.sourceRanges?.map(prefixOf);
      if (ranges !== undefined) this.#ranges.set(service, ranges);
    }
    this.#serviceCidrs = (configuration.serviceCidrs ?? []).map(prefixOf);
    this.#unserved = new Set(
      (configuration.unserved ?? []).map((each) => addressKey(ipBytes(each))),
    );
  }

  #add(place: number, service: ServiceSpec, { kind, address, port }: FrontendSpec): void {
    const found = { place, service, kind };
    const rest = `${service.protocol}:${port}`;
    if (kind === "NodePort") {
      this.#nodePorts.set(`${address.includes(":") ? 16 : 4}:${rest}`, found);
    } else this.#exact.set(`${addressKey(ipBytes(address))}:${rest}`, found);
  }

  /** KP-20 to KP-26, KP-31, PF-30. */
  find({ destination, destinationPort, protocol }: Tuple): Found | "unserved" | undefined {
    const address = addressKey(destination);
    const rest = `${protocolNames[protocol]}:${destinationPort}`;
    const exact = this.#exact.get(`${address}:${rest}`);
    if (exact !== undefined) return exact;
    const inRange = destinationPort >= nodePorts[0] && destinationPort <= nodePorts[1];
    if (inRange && nodePortAddresses.has(address)) {
      const found = this.#nodePorts.get(`${destination.length}:${rest}`);
      if (found !== undefined) return found;
    }
    const isIn = ([prefix, bits]: Prefix) => covers(prefix, bits, destination);
    const isOurs = this.#unserved.has(address) || this.#serviceCidrs.some(isIn);
    return isOurs && !nodeAddresses.has(address) ? "unserved" : undefined;
  }

  /** KP-24. */
  mayUse({ kind, service }: Found, client: Uint8Array): boolean {
    const ranges = kind === "LoadBalancer" ? this.#ranges.get(service) : undefined;
    return ranges?.some(([prefix, bits]) => covers(prefix, bits, client)) ?? true;
  }
}

export const backendAddress = (() => {
  const cache = new Map<string, Uint8Array>();
  return ({ address }: BackendSpec): Uint8Array => {
    const known = cache.get(address) ?? ipBytes(address);
    cache.set(address, known);
    return known;
  };
})();
