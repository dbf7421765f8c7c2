import type { IpFamily, Protocol } from "../../model/address.ts";
import { canonicalAddress, familyOf } from "../../model/ip.ts";
import { error, type Fault, type Path } from "./fault.ts";
import { shown } from "./fields.ts";

/** Canonical text, or undefined and a fault. The unspecified addresses are refused: they name no host. */
export function parseAddress(value: unknown, path: Path, faults: Fault[]): string | undefined {
  const address = typeof value === "string" ? canonicalAddress(value) : undefined;
  if (address !== undefined && address !== "0.0.0.0" && address !== "::") return address;
  faults.push(error(path, `${shown(value)} is not an IP address of a host; ${hint(value)}`));
  return undefined;
}

/** As `parseAddress`, held to one family. */
export function parseAddressOf(
  family: IpFamily,
  value: unknown,
  path: Path,
  faults: Fault[],
): string | undefined {
  const address = parseAddress(value, path, faults);
  if (address === undefined || familyOf(address) === family) return address;
  faults.push(
    error(
      path,
      `${shown(value)} is no ${family} address; move it to an EndpointSlice with the other addressType`,
    ),
  );
  return undefined;
}

/** A port number from `least` to 65535, or undefined and a fault. */
export function parsePort(
  value: unknown,
  least: 0 | 1,
  path: Path,
  faults: Fault[],
): number | undefined {
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= 65_535) {
    return value;
  }
  faults.push(error(path, `${shown(value)} is not a port; write a whole number from 1 to 65535`));
  return undefined;
}

/** TCP where absent, as the API server would set it; undefined and a fault for an unknown one. */
export function parseProtocol(value: unknown, path: Path, faults: Fault[]): Protocol | undefined {
  if (value === undefined || value === null || value === "") return "TCP";
  if (value === "TCP" || value === "UDP" || value === "SCTP") return value;
  faults.push(error(path, `${shown(value)} is not a protocol; write TCP, UDP or SCTP`));
  return undefined;
}

function hint(value: unknown): string {
  if (typeof value === "string" && value.includes("/")) return "write it without a prefix length";
  if (typeof value === "string" && value.includes("%")) return "write it without a zone";
  return "write it as 10.0.0.1 or fd00::1";
}
