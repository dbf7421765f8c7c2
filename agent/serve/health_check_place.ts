import type { DesiredHealthCheck } from "../compile/records.ts";
import type { IpFamily } from "../model/address.ts";
import { familyOf } from "../model/ip.ts";

/** Where a health check is answered, and for which family: that of the address. */
export interface HealthCheckPlace {
  readonly address: string;
  readonly family: IpFamily;
  readonly port: number;
}

/** What stands for every address, by family: kube-proxy has a server for each of them, too. */
const everywhere = ["0.0.0.0", "::"] as const;

/**
 * Where these checks are to be answered: at the addresses that are of the Service's families, or at
 * every one of those families where no address is given (KP-26, KP-40). By address and port.
 */
export function placesOf(
  checks: Iterable<DesiredHealthCheck>,
  addresses: readonly string[],
): ReadonlyMap<string, HealthCheckPlace> {
  const places = new Map<string, HealthCheckPlace>();
  for (const { port, localEndpoints } of checks) {
    for (const address of addresses.length === 0 ? everywhere : addresses) {
      const family = familyOf(address);
      if (family === undefined || localEndpoints[family] === undefined) continue;
      places.set(`${address} ${port}`, { address, family, port });
    }
  }
  return places;
}
