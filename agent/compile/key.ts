import { objectKey } from "../model/key.ts";
import type { ServicePortId } from "./records.ts";

/** "namespace/name", as the model's store keys Services. */
export const serviceKey = objectKey;

/** One string per Service port and family, for example "default/web:http/TCP/IPv4". */
export function portKey(id: ServicePortId): string {
  return `${id.namespace}/${id.name}:${id.portName}/${id.protocol}/${id.family}`;
}

/** The order of dumps: namespace, name, port name, protocol, family, each by code unit. */
export function comparePorts(a: ServicePortId, b: ServicePortId): number {
  return (
    compareText(a.namespace, b.namespace) ||
    compareText(a.name, b.name) ||
    compareText(a.portName, b.portName) ||
    compareText(a.protocol, b.protocol) ||
    compareText(a.family, b.family)
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
