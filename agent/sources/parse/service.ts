import { familyOf } from "../../model/ip.ts";
import type { Service, ServicePort, ServiceType, TrafficPolicy } from "../../model/service.ts";
import { parseAddress, parsePort, parseProtocol } from "./address.ts";
import { parseServiceAnnotations } from "./annotations.ts";
import { error, type Fault, type Parsed, type Path } from "./fault.ts";
import { compact, type Fields, fieldsOf, itemsOf, shown, textOf } from "./fields.ts";
import type { Interner } from "./intern.ts";
import { type Metadata, metadataOf, nameless } from "./metadata.ts";
import { servesService } from "./selectors.ts";

const types: readonly string[] = ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"];
/** What the API server sets where sessionAffinityConfig is absent (KP-28). */
const defaultAffinityTimeoutSeconds = 10_800;
const longestAffinityTimeoutSeconds = 86_400;

/** core/v1 Service, trimmed. Skipped by KP-01; absent fields have the API server's defaults. */
export function parseService(raw: unknown, interner: Interner): Parsed<Service> {
  const metadata = metadataOf(raw);
  if (metadata === undefined) return { kind: "invalid", faults: nameless };
  const spec = fieldsOf(fieldsOf(raw).spec);
  if (!servesService(metadata.labels, spec.clusterIP)) return { kind: "skipped", faults: [] };
  const faults: Fault[] = [];
  const type = textOf(spec.type) ?? "ClusterIP";
  if (!isServiceType(type)) {
    const message = `${shown(type)} is not a Service type; write ${types.join(", ")}`;
    return { kind: "invalid", faults: [error(["spec", "type"], message)] };
  }
  const ports = parsePorts(spec.ports, interner, faults);
  if (ports.length === 0 && type !== "ExternalName") {
    if (faults.length === 0) faults.push(portless);
    return { kind: "invalid", faults };
  }
  const object = assemble(raw, metadata, type, ports, interner, faults);
  return { kind: "object", object, faults };
}

const portless = error(["spec", "ports"], "is empty: a Service needs at least one port");

const isServiceType = (text: string): text is ServiceType => types.includes(text);

function assemble(
  raw: unknown,
  metadata: Metadata,
  type: ServiceType,
  ports: readonly ServicePort[],
  interner: Interner,
  faults: Fault[],
): Service {
  const spec = fieldsOf(fieldsOf(raw).spec);
  return {
    namespace: interner.text(metadata.namespace),
    name: interner.text(metadata.name),
    type,
    clusterIPs: type === "ExternalName" ? [] : parseClusterIPs(spec, faults),
    ports,
    externalIPs: parseAddresses(spec.externalIPs, ["spec", "externalIPs"], faults),
    loadBalancerIPs: parseIngress(fieldsOf(raw).status, faults),
    internalTrafficPolicy: parsePolicy(spec, "internalTrafficPolicy", faults),
    externalTrafficPolicy: parsePolicy(spec, "externalTrafficPolicy", faults),
    loadBalancerSourceRanges: parseSourceRanges(spec, faults),
    healthCheckNodePort: parseHealthCheckPort(spec, faults),
    ...parseServiceAnnotations(metadata.annotations, faults),
    affinityTimeoutSeconds: parseAffinity(spec, faults),
  };
}

function parsePorts(value: unknown, interner: Interner, faults: Fault[]): readonly ServicePort[] {
  const ports: ServicePort[] = [];
  for (const [index, item] of itemsOf(value).entries()) {
    const path = ["spec", "ports", index];
    const port = parseServicePort(fieldsOf(item), interner, path, faults);
    if (port !== undefined && isDistinct(port, ports, path, faults)) ports.push(port);
  }
  return interner.records(ports);
}

function parseServicePort(
  item: Fields,
  interner: Interner,
  path: Path,
  faults: Fault[],
): ServicePort | undefined {
  const protocol = parseProtocol(item.protocol, [...path, "protocol"], faults);
  const port = parsePort(item.port, 1, [...path, "port"], faults);
  const nodePort = parsePort(item.nodePort ?? 0, 0, [...path, "nodePort"], faults);
  if (protocol === undefined || port === undefined || nodePort === undefined) return undefined;
  return { name: interner.text(textOf(item.name) ?? ""), protocol, port, nodePort };
}

/** Ports join endpoints by name (KP-03) and clients by number and protocol: each pair only once. */
function isDistinct(
  port: ServicePort,
  others: readonly ServicePort[],
  path: Path,
  faults: Fault[],
): boolean {
  if (others.some((other) => other.name === port.name)) {
    const message = `${shown(port.name)} names two ports; give each its own name`;
    faults.push(error([...path, "name"], message));
    return false;
  }
  if (others.some((other) => other.port === port.port && other.protocol === port.protocol)) {
    const message = `${port.port}/${port.protocol} is listed twice; remove one of the two`;
    faults.push(error([...path, "port"], message));
    return false;
  }
  return true;
}

/** `clusterIPs`, or `clusterIP` alone where that is all there is; one per family. */
function parseClusterIPs(spec: Fields, faults: Fault[]): readonly string[] {
  const listed = itemsOf(spec.clusterIPs);
  if (listed.length === 0) {
    if (textOf(spec.clusterIP) === undefined) return [];
    const address = parseAddress(spec.clusterIP, ["spec", "clusterIP"], faults);
    return address === undefined ? [] : [address];
  }
  const addresses = parseAddresses(listed, ["spec", "clusterIPs"], faults);
  return addresses.filter((address, index) => {
    const first = addresses.findIndex((other) => familyOf(other) === familyOf(address));
    if (first === index) return true;
    const message = `holds two addresses of one family; keep one of ${addresses.join(" and ")}`;
    faults.push(error(["spec", "clusterIPs"], message));
    return false;
  });
}

function parseAddresses(value: unknown, path: Path, faults: Fault[]): readonly string[] {
  const addresses = new Set<string>();
  for (const [index, item] of itemsOf(value).entries()) {
    const address = parseAddress(item, [...path, index], faults);
    if (address !== undefined) addresses.add(address);
  }
  return compact([...addresses]);
}

/** Host names and ipMode Proxy are left alone: their traffic has to reach the balancer (KP-22). */
function parseIngress(status: unknown, faults: Fault[]): readonly string[] {
  const addresses = new Set<string>();
  const ingress = itemsOf(fieldsOf(fieldsOf(status).loadBalancer).ingress);
  for (const [index, item] of ingress.entries()) {
    const { ip, ipMode } = fieldsOf(item);
    if (textOf(ip) === undefined || (textOf(ipMode) ?? "VIP") !== "VIP") continue;
    const path = ["status", "loadBalancer", "ingress", index, "ip"];
    const address = parseAddress(ip, path, faults);
    if (address !== undefined) addresses.add(address);
  }
  return compact([...addresses]);
}

/** Trimmed, since the API server lets white space pass (KP-24). Which of them are CIDRs is not asked. */
function parseSourceRanges(spec: Fields, faults: Fault[]): readonly string[] {
  const ranges = new Set<string>();
  for (const [index, item] of itemsOf(spec.loadBalancerSourceRanges).entries()) {
    if (typeof item === "string") ranges.add(item.trim());
    else {
      const message = `${shown(item)} is not a range of addresses; write it as 192.0.2.0/24`;
      faults.push(error(["spec", "loadBalancerSourceRanges", index], message));
    }
  }
  ranges.delete("");
  return compact([...ranges]);
}

/** 0: none (KP-40). */
function parseHealthCheckPort(spec: Fields, faults: Fault[]): number {
  const path = ["spec", "healthCheckNodePort"];
  return parsePort(spec.healthCheckNodePort ?? 0, 0, path, faults) ?? 0;
}

function parsePolicy(
  spec: Fields,
  field: "internalTrafficPolicy" | "externalTrafficPolicy",
  faults: Fault[],
): TrafficPolicy {
  const policy = textOf(spec[field]) ?? "Cluster";
  if (policy === "Cluster" || policy === "Local") return policy;
  faults.push(
    error(["spec", field], `${shown(policy)} is not a traffic policy; write Cluster or Local`),
  );
  return "Cluster";
}

/** 0 without session affinity (KP-28). */
function parseAffinity(spec: Fields, faults: Fault[]): number {
  const affinity = textOf(spec.sessionAffinity) ?? "None";
  if (affinity === "None") return 0;
  if (affinity !== "ClientIP") {
    const message = `${shown(affinity)} is not a session affinity; write None or ClientIP`;
    faults.push(error(["spec", "sessionAffinity"], message));
    return 0;
  }
  const config = fieldsOf(fieldsOf(spec.sessionAffinityConfig).clientIP);
  const seconds = config.timeoutSeconds ?? defaultAffinityTimeoutSeconds;
  if (isTimeout(seconds)) return seconds;
  const path = ["spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds"];
  faults.push(error(path, `${shown(seconds)} is no timeout; write 1 to 86400 seconds`));
  return defaultAffinityTimeoutSeconds;
}

const isTimeout = (value: unknown): value is number =>
  typeof value === "number" &&
  Number.isInteger(value) &&
  value >= 1 &&
  value <= longestAffinityTimeoutSeconds;
