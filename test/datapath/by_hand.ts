import { inNetns, netnsCookie } from "libbpf-ts";
import { addressBytes } from "../../agent/model/ip.ts";
import {
  addressCodec,
  FrontendFlag,
  FrontendKind,
  FrontendScope,
  frontendCodec,
  frontendKeyCodec,
  NodeAddressFlag,
  SettingsArray,
  sourceRangeKeyCodec,
} from "../../bpf/build/layout.ts";
import { netnsPath } from "../harness/netns.ts";
import { familiesOf, type PortSpec, type ServiceSpec } from "./manifests.ts";
import type { ServedNode } from "./served_node.ts";

const bytesOf = (address: string): Uint8Array => {
  const bytes = new Uint8Array(16);
  addressBytes(address, bytes, 0);
  return bytes;
};

const isV6 = (address: string): boolean => address.includes(":");
/** Of `node_addresses`. */
export function addressKey(address: string): Uint8Array {
  const key = new Uint8Array(addressCodec.size);
  addressCodec.encode({ word: bytesOf(address) }, key);
  return key;
}

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

/** NodePorts answer at the node's own addresses and at its loopback. */
export function tellNetwork(served: ServedNode): void {
  const { node } = served;
  using settingsMap = served.map("settings");
  const settings = new SettingsArray(settingsMap.mmap());
  settings.setHostNetns(0, inNetns(netnsPath(node.netns), netnsCookie) ?? 0n);
  settings.setNodeV4(0, bytesOf(node.ip4));
  settings.setNodeV6(0, bytesOf(node.ip6));
  settings.setNodePortFirst(0, 30_000);
  settings.setNodePortLast(0, 32_767);
  using addresses = served.map("node_addresses");
  const flags = NodeAddressFlag.ADDRESS_LOCAL | NodeAddressFlag.ADDRESS_NODE_PORT;
  for (const address of [node.ip4, node.ip6, "127.0.0.1", "::1"]) {
    addresses.update(addressKey(address), u32(flags));
  }
}

/** The frontends of a Service beside its ClusterIPs. */
export async function addExternalFrontends(served: ServedNode, spec: ServiceSpec): Promise<void> {
  for (const family of familiesOf(spec)) {
    for (const port of spec.ports) {
      const { index } = await served.servicePort(spec.name, port.name, family);
      addFrontends(served, spec, port, family === "IPv6", index);
      addSourceRanges(served, spec, family === "IPv6", index);
    }
  }
}

function addFrontends(
  served: ServedNode,
  spec: ServiceSpec,
  { port, nodePort, protocol }: PortSpec,
  v6: boolean,
  service: number,
): void {
  const { externalIPs = [], loadBalancerIPs = [], sourceRanges, ip4, ip6 } = spec;
  const clusterIP = (v6 ? ip6 : ip4) ?? "";
  const flags = sourceRanges === undefined ? 0 : FrontendFlag.SOURCE_RANGES;
  using map = served.map("frontends");
  const number = protocol === "TCP" ? 6 : 17;
  const add = (address: string, at: number, kind: number, kindFlags = 0): void => {
    const key = { address: bytesOf(address), port: at, protocol: number, scope: 0 };
    const scope =
      kind === FrontendKind.NODE_PORT ? FrontendScope.SCOPE_NODE_PORT : FrontendScope.SCOPE_ADDRESS;
    write({ ...key, scope }, { service, kind, flags: kindFlags });
  };
  const write = (
    key: Parameters<typeof frontendKeyCodec.encode>[0],
    value: Parameters<typeof frontendCodec.encode>[0],
  ): void => {
    const keyBytes = new Uint8Array(frontendKeyCodec.size);
    const valueBytes = new Uint8Array(frontendCodec.size);
    frontendKeyCodec.encode(key, keyBytes);
    frontendCodec.encode(value, valueBytes);
    map.update(keyBytes, valueBytes);
  };
  const guard = (address: string): void =>
    write(
      { address: bytesOf(address), port: 0, protocol: 0, scope: FrontendScope.SCOPE_ANY_PORT },
      { service: 0xffff_ffff, kind: FrontendKind.UNSERVED, flags: 0 },
    );
  const ours = (each: string): boolean => isV6(each) === v6;
  guard(clusterIP);
  for (const address of externalIPs.filter(ours)) {
    add(address, port, FrontendKind.EXTERNAL_IP);
    guard(address);
  }
  for (const address of loadBalancerIPs.filter(ours)) {
    add(address, port, FrontendKind.LOAD_BALANCER, flags);
    guard(address);
  }
  if (nodePort !== undefined) add(v6 ? "::" : "0.0.0.0", nodePort, FrontendKind.NODE_PORT);
}

function addSourceRanges(
  served: ServedNode,
  { sourceRanges = [] }: ServiceSpec,
  v6: boolean,
  service: number,
): void {
  using map = served.map("source_ranges");
  for (const range of sourceRanges.filter((each) => isV6(each) === v6)) {
    const [address = "", length = ""] = range.split("/");
    const key = new Uint8Array(sourceRangeKeyCodec.size);
    const prefixLength = 32 + (v6 ? 0 : 96) + Number(length);
    sourceRangeKeyCodec.encode({ prefixLength, service, address: bytesOf(address) }, key);
    map.update(key, u32(0));
  }
}
