import type { IpFamily } from "../model/address.ts";
import type { ServicePort } from "../model/service.ts";
import type { ServiceAddresses } from "./address.ts";
import type { Frontend } from "./records.ts";

const nodePortAddress: Readonly<Record<IpFamily, string>> = { IPv4: "0.0.0.0", IPv6: "::" };

/** Where a port answers in one family: at every address, and at its nodePort (KP-20 to KP-25). */
export function frontendsOf(
  addresses: ServiceAddresses,
  { port, nodePort }: ServicePort,
  family: IpFamily,
): readonly Frontend[] {
  const frontends: Frontend[] = [];
  for (const [address, kind] of addresses) frontends.push({ kind, address, port });
  if (nodePort !== 0) {
    frontends.push({ kind: "NodePort", address: nodePortAddress[family], port: nodePort });
  }
  return frontends;
}
