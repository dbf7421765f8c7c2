import type { BpfMap } from "libbpf-ts";
import {
  BackendArray,
  BackendFlag,
  FrontendFlag,
  FrontendKind,
  FrontendScope,
  frontendCodec,
  frontendKeyCodec,
  ServiceArray,
  ServiceFlag,
  sourceRangeKeyCodec,
} from "../../bpf/build/layout.ts";
import type { IpFamily } from "../model/address.ts";
import { probeAddresses } from "../model/probe.ts";
import { addressOrZero } from "./address_bytes.ts";
import { protocolNumber } from "./protocol.ts";
import { withoutReserve } from "./reserve.ts";
import { packSlice } from "./slice.ts";
import { keyOfRange } from "./source_range.ts";

/** Where the agent's own Service answers in one family, and what stands behind it. */
export interface ProbePlace {
  readonly family: IpFamily;
  /** Where it answers. */
  readonly address: string;
  readonly port: number;
  /** The address of its only endpoint, and the only one that it can be reached from. */
  readonly loopback: string;
}

/** Echo (RFC 862). */
const PORT = 7;

export const probePlaces: readonly ProbePlace[] = [
  { family: "IPv4", address: probeAddresses.IPv4, port: PORT, loopback: "127.0.0.1" },
  { family: "IPv6", address: probeAddresses.IPv6, port: PORT, loopback: "::1" },
];

const SLOTS_PER_LINE = 16;

/**
 * Writes the agent's own Service into what the maps have in reserve, where neither Services nor the
 * commands see it (PF-06). Its endpoint is at `endpointPorts` of the loopback. It is an address with
 * source ranges, and open to sockets that are bound to the loopback alone: from elsewhere its
 * packets are dropped, and no other socket is led to a loopback. Idempotent.
 * @throws {BpfError} where a map is full, as one that was made without a reserve may be.
 */
export function writeProbeService(
  map: (name: string) => BpfMap,
  endpointPorts: Readonly<Record<IpFamily, number>>,
): void {
  for (const [n, place] of probePlaces.entries()) {
    const service = withoutReserve("services", map("services").info.maxEntries) + n;
    writeEndpoint(map, n, service, place.loopback, endpointPorts[place.family]);
    writeFrontend(map, service, place);
  }
}

function writeEndpoint(
  map: (name: string) => BpfMap,
  n: number,
  service: number,
  address: string,
  port: number,
): void {
  const backends = new BackendArray(map("backends").mmap());
  const services = new ServiceArray(map("services").mmap());
  const slots = new Uint32Array(map("slots").mmap());
  const backend = withoutReserve("backends", backends.length) + n;
  const lines = withoutReserve("slots", map("slots").info.maxEntries);
  const slot = lines * SLOTS_PER_LINE + n;
  backends.setAddress(backend, addressOrZero(address));
  backends.setPort(backend, port);
  backends.setService(backend, service);
  const { IN_CLUSTER, LOCAL, READY, SERVING } = BackendFlag;
  backends.setFlags(backend, IN_CLUSTER | LOCAL | READY | SERVING);
  slots[slot] = backend;
  services.setProtocol(service, protocolNumber.UDP);
  services.setFlags(service, ServiceFlag.IN_USE);
  services.setCluster(service, packSlice({ offset: slot, count: 1 }));
}

function writeFrontend(
  map: (name: string) => BpfMap,
  service: number,
  { address, port, loopback }: ProbePlace,
): void {
  const range = encode(sourceRangeKeyCodec, keyOfRange(service, hostRange(loopback)));
  map("source_ranges").update(range, new Uint8Array(4));
  const key = {
    address: addressOrZero(address),
    port,
    protocol: protocolNumber.UDP,
    scope: FrontendScope.SCOPE_ADDRESS,
  };
  const value = { service, kind: FrontendKind.LOAD_BALANCER, flags: FrontendFlag.SOURCE_RANGES };
  map("frontends").update(encode(frontendKeyCodec, key), encode(frontendCodec, value));
}

const hostRange = (address: string): string => `${address}/${address.includes(":") ? 128 : 32}`;

function encode<T>(
  codec: { readonly size: number; encode(value: T, into: Uint8Array): void },
  value: T,
): Uint8Array {
  const bytes = new Uint8Array(codec.size);
  codec.encode(value, bytes);
  return bytes;
}
