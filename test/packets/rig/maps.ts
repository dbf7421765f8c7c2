import type { LoadedObject } from "libbpf-ts";
import { keyOfServiceCidr } from "../../../agent/datapath/service_cidr.ts";
import {
  Algorithm,
  addressCodec,
  BackendFlag,
  backendCodec,
  type Codec,
  deviceCodec,
  FrontendFlag,
  FrontendKind,
  FrontendScope,
  frontendCodec,
  frontendKeyCodec,
  NodeAddressFlag,
  ServiceFlag,
  SettingsFlag,
  serviceCidrKeyCodec,
  serviceCodec,
  settingsCodec,
  sourceRangeKeyCodec,
} from "../../../bpf/build/layout.ts";
import {
  type BackendSpec,
  backendIndex,
  type Configuration,
  defaultSnatPorts,
  type FrontendSpec,
  isInSlice,
  nodePorts,
  type ServiceSpec,
  serviceIndex,
  slotsOf,
  timeouts,
} from "../model/configuration.ts";
import { ipBytes, mapped } from "../packet/address.ts";
import { devices, ext0, ext1, ext2, node } from "../world.ts";

const noService = 0xffffffff;
const protocolNumber = { tcp: 6, udp: 17, sctp: 132 } as const;
const slotsPerLine = 16;
/** Lines that one service has for each of its slices. */
const linesPerSlice = 8;
const zero = new Uint8Array(16);

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

function bytes<T>(codec: Codec<T>, value: T): Uint8Array {
  const into = new Uint8Array(codec.size);
  codec.encode(value, into);
  return into;
}

const address = (text: string | undefined): Uint8Array =>
  text === undefined ? zero : mapped(ipBytes(text));

/** Makes the maps hold a configuration; flows, fragments and affinities stay as they are. */
export function writeConfiguration(object: LoadedObject, configuration: Configuration): void {
  for (const name of ["frontends", "node_addresses", "devices", "source_ranges", "service_cidrs"]) {
    const map = object.map(name);
    for (const key of [...map.keys()]) map.delete(key);
  }
  writeSettings(object, configuration);
  writeDevices(object, configuration);
  for (const [place, service] of configuration.services.entries()) {
    writeService(object, place, service);
  }
  for (const text of configuration.unserved ?? []) {
    const key = {
      address: address(text),
      port: 0,
      protocol: 0,
      scope: FrontendScope.SCOPE_ANY_PORT,
    };
    const value = { service: noService, kind: FrontendKind.UNSERVED, flags: 0 };
    object.map("frontends").update(bytes(frontendKeyCodec, key), bytes(frontendCodec, value));
  }
  for (const cidr of configuration.serviceCidrs ?? []) {
    const key = bytes(serviceCidrKeyCodec, keyOfServiceCidr(cidr));
    object.map("service_cidrs").update(key, u32(0));
  }
}

function writeSettings(object: LoadedObject, { settings = {} }: Configuration): void {
  const [snatPortFirst, snatPortLast] = settings.snatPorts ?? defaultSnatPorts;
  const has = settings.nodeAddress !== false;
  const value = {
    hostNetns: 0n,
    nodeV4: has ? address(node.v4) : zero,
    nodeV6: has ? address(node.v6) : zero,
    nodePortFirst: nodePorts[0],
    nodePortLast: nodePorts[1],
    snatPortFirst,
    snatPortLast,
    flags: settings.clusterIpFromOutside ? SettingsFlag.CLUSTER_IP_FROM_OUTSIDE : 0,
    ...timeouts,
  };
  object.map("settings").update(u32(0), bytes(settingsCodec, value));
}

function writeDevices(
  object: LoadedObject,
  { deviceFlags = {}, settings = {} }: Configuration,
): void {
  const hasAddresses = settings.nodeAddress !== false;
  for (const { name, index, mtu, v4, v6, flags } of devices) {
    const value = {
      v4: hasAddresses ? address(v4) : zero,
      v6: hasAddresses ? address(v6) : zero,
      mtu,
      flags: deviceFlags[name] ?? flags,
    };
    if (value.flags !== 0) object.map("devices").update(u32(index), bytes(deviceCodec, value));
  }
  for (const each of [ext0, ext1, ext2]) {
    const nodePort = each === ext0 ? NodeAddressFlag.ADDRESS_NODE_PORT : 0;
    for (const text of [each.v4, each.v6]) {
      const key = bytes(addressCodec, { word: address(text) });
      object.map("node_addresses").update(key, u32(NodeAddressFlag.ADDRESS_LOCAL | nodePort));
    }
  }
}

function writeService(object: LoadedObject, place: number, spec: ServiceSpec): void {
  for (const [at, backend] of spec.backends.entries()) writeBackend(object, place, at, backend);
  const first = 1 + place * 2 * linesPerSlice;
  const word = (slice: "cluster" | "local", line: number): bigint => {
    const slots = slotsOf(spec, slice).map((at) => backendIndex(place, at));
    writeSlots(object, line, slots);
    return (BigInt(slots.length) << 32n) | BigInt(line * slotsPerLine);
  };
  const value = {
    cluster: word("cluster", first),
    local: word("local", first + linesPerSlice),
    affinitySeconds: spec.affinitySeconds ?? 0,
    generation: 1,
    flags:
      ServiceFlag.IN_USE |
      (spec.externalLocal ? ServiceFlag.EXTERNAL_LOCAL : 0) |
      (spec.internalLocal ? ServiceFlag.INTERNAL_LOCAL : 0),
    algorithm: spec.maglev === undefined ? Algorithm.RANDOM : Algorithm.MAGLEV,
    protocol: protocolNumber[spec.protocol],
  };
  object.map("services").update(u32(serviceIndex(place)), bytes(serviceCodec, value));
  for (const frontend of spec.frontends) writeFrontend(object, place, spec, frontend);
  for (const range of spec.sourceRanges ?? []) writeSourceRange(object, place, range);
}

function writeSlots(object: LoadedObject, line: number, slots: readonly number[]): void {
  for (let at = 0; at < slots.length; at += slotsPerLine) {
    const words = new Uint32Array(slotsPerLine);
    words.set(slots.slice(at, at + slotsPerLine));
    object.map("slots").update(u32(line + at / slotsPerLine), new Uint8Array(words.buffer));
  }
}

function writeBackend(
  object: LoadedObject,
  service: number,
  place: number,
  spec: BackendSpec,
): void {
  const slices =
    (isInSlice(spec, "cluster") ? BackendFlag.IN_CLUSTER : 0) |
    (isInSlice(spec, "local") ? BackendFlag.IN_LOCAL : 0);
  const alive = BackendFlag.READY | BackendFlag.SERVING | (spec.local ? BackendFlag.LOCAL : 0);
  const value = {
    address: address(spec.address),
    port: spec.port,
    flags: slices === 0 ? 0 : slices | alive,
    service: serviceIndex(service),
    generation: spec.generation ?? 1,
  };
  object.map("backends").update(u32(backendIndex(service, place)), bytes(backendCodec, value));
}

function writeFrontend(
  object: LoadedObject,
  place: number,
  { protocol, sourceRanges }: ServiceSpec,
  frontend: FrontendSpec,
): void {
  const isNodePort = frontend.kind === "NodePort";
  const any = frontend.address.includes(":") ? "::" : "0.0.0.0";
  const key = {
    address: address(isNodePort ? any : frontend.address),
    port: frontend.port,
    protocol: protocolNumber[protocol],
    scope: isNodePort ? FrontendScope.SCOPE_NODE_PORT : FrontendScope.SCOPE_ADDRESS,
  };
  const kinds = {
    ClusterIP: FrontendKind.CLUSTER_IP,
    ExternalIP: FrontendKind.EXTERNAL_IP,
    LoadBalancer: FrontendKind.LOAD_BALANCER,
    NodePort: FrontendKind.NODE_PORT,
  } as const;
  const ranged = frontend.kind === "LoadBalancer" && sourceRanges !== undefined;
  const value = {
    service: serviceIndex(place),
    kind: kinds[frontend.kind],
    flags: ranged ? FrontendFlag.SOURCE_RANGES : 0,
  };
  object.map("frontends").update(bytes(frontendKeyCodec, key), bytes(frontendCodec, value));
}

function writeSourceRange(object: LoadedObject, place: number, cidr: string): void {
  const [text = "", length] = cidr.split("/");
  const key = {
    prefixLength: 32 + (text.includes(":") ? 0 : 96) + Number(length),
    service: serviceIndex(place),
    address: address(text),
  };
  object.map("source_ranges").update(bytes(sourceRangeKeyCodec, key), u32(0));
}
