import {
  BackendArray,
  BackendFlag,
  type Codec,
  type Frontend,
  FrontendFlag,
  FrontendKind,
  FrontendScope,
  ServiceArray,
  type ServiceCidrKey,
  ServiceFlag,
  SettingsArray,
  type SourceRangeKey,
  serviceCidrKeyCodec,
  sourceRangeKeyCodec,
} from "../../bpf/build/layout.ts";
import type { Protocol } from "../model/address.ts";
import { addressBytes, addressText } from "../model/ip.ts";
import type { NameMap, ServiceMaps } from "./maps.ts";
import { type NodePorts, nodePortsOf } from "./node_ports.ts";
import { protocolNumber } from "./protocol.ts";
import { unpackSlice } from "./slice.ts";
import { type FaultPlan, TwinFrontends, TwinNames, TwinRanges } from "./twin_maps.ts";

export interface TwinCapacity {
  readonly services: number;
  readonly backends: number;
  readonly slots: number;
  readonly frontends: number;
  /** 64 where it is not said. */
  readonly sourceRanges?: number;
  /** 64 where it is not said. */
  readonly serviceCidrs?: number;
}

/** Who asks. */
export interface Client {
  /** Source ranges decide by it; "192.0.2.1" where it is not said. */
  readonly address?: string;
  /** Beyond this node and its pods. */
  readonly outside?: boolean;
}

/** What a client that asks for a frontend gets. */
export type Lookup =
  | { readonly kind: "unknown" | "unserved" }
  | { readonly kind: "denied"; readonly service: number }
  | { readonly kind: "refused"; readonly service: number }
  | {
      readonly kind: "backend";
      readonly service: number;
      readonly backend: number;
      readonly address: string;
      readonly port: number;
      /** The record is dead: only a lookup from before the latest publishing may see that. */
      readonly retired: boolean;
    };

/** The service maps in memory, as the kernel would hold them. */
export class Twin implements ServiceMaps {
  readonly services: ServiceArray;
  readonly backends: BackendArray;
  readonly slots: Uint32Array;
  readonly frontends: TwinFrontends;
  readonly names: NameMap;
  readonly sourceRanges: TwinRanges<SourceRangeKey>;
  readonly serviceCidrs: TwinRanges<ServiceCidrKey>;
  readonly nodePorts: NodePorts;
  /** Addresses of the node at which NodePorts answer (KP-26). */
  readonly nodeAddresses = new Set<string>();
  readonly #readers: (() => void)[] = [];

  constructor(capacity: TwinCapacity, faults: FaultPlan = () => undefined) {
    const ranges = <Key extends { readonly prefixLength: number }>(
      name: "source_ranges" | "service_cidrs",
      codec: Codec<Key>,
      entries = 64,
    ) => new TwinRanges(name, codec, entries, faults);
    this.services = new ServiceArray(new ArrayBuffer(capacity.services * ServiceArray.stride));
    this.backends = new BackendArray(new ArrayBuffer(capacity.backends * BackendArray.stride));
    this.slots = new Uint32Array(capacity.slots);
    this.frontends = new TwinFrontends(capacity.frontends, faults);
    this.names = new TwinNames(capacity.services, faults);
    this.sourceRanges = ranges("source_ranges", sourceRangeKeyCodec, capacity.sourceRanges);
    this.serviceCidrs = ranges("service_cidrs", serviceCidrKeyCodec, capacity.serviceCidrs);
    this.nodePorts = nodePortsOf(new SettingsArray(new ArrayBuffer(SettingsArray.stride)));
  }

  /** Ends with the next call of `elapse`. */
  gracePeriod(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#readers.push(resolve);
    return promise;
  }

  /** Ends the grace periods asked for until now, and says how many there were. */
  elapse(): number {
    const readers = this.#readers.splice(0);
    for (const resolve of readers) resolve();
    return readers.length;
  }

  /** What the programs do for a client. `pick` chooses below the count it is given. */
  lookup(
    address: string,
    port: number,
    protocol: Protocol,
    pick: (count: number) => number,
    client: Client = {},
  ): Lookup {
    return this.reader(address, port, protocol, pick, client)();
  }

  /**
   * The same lookup stopped after it has read the slice word, as a program on another CPU may be:
   * what it returns goes on from there. It has to be called before the next grace period ends.
   */
  reader(
    address: string,
    port: number,
    protocol: Protocol,
    pick: (count: number) => number,
    client: Client = {},
  ): () => Lookup {
    const found = this.#find(address, port, protocolNumber[protocol]);
    if (typeof found === "string") return () => ({ kind: found });
    const { service } = found;
    if (found.flags & FrontendFlag.SOURCE_RANGES && !this.#admits(service, client)) {
      return () => ({ kind: "denied", service });
    }
    const { offset, count } = unpackSlice(this.#word(found, client));
    if (count === 0) return () => ({ kind: "refused", service });
    const slot = offset + pick(count);
    return () => this.#at(service, slot);
  }

  #find(address: string, port: number, protocol: number): Frontend | "unknown" | "unserved" {
    const at = (scope: number, text: string, its: { port: number; protocol: number }) =>
      this.frontends.get({ address: bytesOf(text), ...its, scope });
    const found = at(FrontendScope.SCOPE_ADDRESS, address, { port, protocol });
    if (found !== undefined) return found;
    const { first, last } = this.nodePorts.bounds();
    const isNode = this.nodeAddresses.has(address);
    if (isNode && port >= first && port <= last) {
      const any = address.includes(":") ? "::" : "0.0.0.0";
      return at(FrontendScope.SCOPE_NODE_PORT, any, { port, protocol }) ?? "unknown";
    }
    const guard = at(FrontendScope.SCOPE_ANY_PORT, address, { port: 0, protocol: 0 });
    const isOurs = guard !== undefined || this.serviceCidrs.holds(wholeOf(address));
    return isOurs && !isNode ? "unserved" : "unknown";
  }

  #admits(service: number, { address = "192.0.2.1" }: Client): boolean {
    return this.sourceRanges.holds({ prefixLength: 160, service, address: bytesOf(address) });
  }

  #word({ service, kind }: Frontend, { outside = false }: Client): bigint {
    const external = outside ? ServiceFlag.EXTERNAL_LOCAL : 0;
    const policy = kind === FrontendKind.CLUSTER_IP ? ServiceFlag.INTERNAL_LOCAL : external;
    const isLocal = (this.services.flags(service) & policy) !== 0;
    return isLocal ? this.services.local(service) : this.services.cluster(service);
  }

  #at(service: number, slot: number): Lookup {
    const backend = this.slots[slot];
    if (backend === undefined || backend >= this.backends.length) return { kind: "unknown" };
    const eligible = BackendFlag.IN_CLUSTER | BackendFlag.IN_LOCAL;
    return {
      kind: "backend",
      service,
      backend,
      address: addressText(this.backends.address(backend), 0),
      port: this.backends.port(backend),
      retired: (this.backends.flags(backend) & eligible) === 0,
    };
  }
}

const wholeOf = (address: string): ServiceCidrKey => ({
  prefixLength: 128,
  address: bytesOf(address),
});

function bytesOf(address: string): Uint8Array {
  const bytes = new Uint8Array(16);
  addressBytes(address, bytes, 0);
  return bytes;
}
