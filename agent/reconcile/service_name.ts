import type { ServiceName } from "../../bpf/build/layout.ts";
import { portKey } from "../compile/key.ts";
import type { DesiredService } from "../compile/records.ts";
import { protocolName, protocolNumber } from "../datapath/protocol.ts";
import type { Protocol } from "../model/address.ts";

/** The record that tells a later start, and people, whose index it is. */
export const nameOf = ({ id, port }: DesiredService): ServiceName => ({
  nameSpace: id.namespace,
  name: id.name,
  portName: id.portName,
  family: id.family === "IPv6" ? 6 : 4,
  protocol: protocolNumber[id.protocol],
  port,
});

/** The same of a Service port by its `portKey`; undefined: that is none. */
export function nameOfKey(key: string, port: number): ServiceName | undefined {
  const [, nameSpace = "", name = "", portName = "", protocol, family] = pattern.exec(key) ?? [];
  if (protocol === undefined) return undefined;
  return {
    nameSpace,
    name,
    portName,
    family: family === "IPv6" ? 6 : 4,
    protocol: protocolNumber[protocol as Protocol],
    port,
  };
}

const pattern = /^([^/]*)\/([^:]*):([^/]*)\/(TCP|UDP|SCTP)\/(IPv4|IPv6)$/;

export const noName: ServiceName = {
  nameSpace: "",
  name: "",
  portName: "",
  family: 0,
  protocol: 0,
  port: 0,
};

/** Undefined: the record names no Service port. */
export function keyOfName(record: ServiceName): string | undefined {
  const { nameSpace: namespace, name, portName } = record;
  const protocol = protocolName(record.protocol);
  const family = record.family === 6 ? "IPv6" : record.family === 4 ? "IPv4" : undefined;
  if (protocol === undefined || family === undefined || name === "") return undefined;
  return portKey({ namespace, name, portName, protocol, family });
}
