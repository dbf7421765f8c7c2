import { readFileSync } from "node:fs";
import type { PortRangeSetting } from "./settings.ts";

/** Both ends included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** What the node's own sockets are given (ip-sysctl, net.ipv4.ip_local_*). */
export interface LocalPorts {
  readonly range: PortRange;
  /** Never given without being asked for. */
  readonly reserved: readonly PortRange[];
}

/** Ports that any process may bind. */
const UNPRIVILEGED: PortRange = { first: 1024, last: 65_535 };
/** The API server's default --service-node-port-range. */
const NODE_PORTS: PortRange = { first: 30_000, last: 32_767 };
const SYSCTLS = "/proc/sys/net/ipv4";

/** The range cannot be used; the message says what mends it. */
export class SnatPortsError extends Error {
  readonly operation = "choose SNAT ports";
  readonly target: string;

  constructor({ first, last }: PortRange, message: string) {
    super(`--snat-port-range: ${message}`);
    this.name = "SnatPortsError";
    this.target = `${first}-${last}`;
  }
}

/**
 * The source ports of masqueraded flows. By itself, the largest range that neither the node's
 * sockets nor NodePorts take ports from; where two are as large, the lower one.
 * @throws {SnatPortsError} for a given range from which the node's sockets may take ports too, and
 * where there is none left to choose.
 */
export function chooseSnatPorts(setting: PortRangeSetting, local: LocalPorts): PortRange {
  if (setting !== "auto") return checkGiven(setting, local);
  const [largest] = gapsBetween([local.range, NODE_PORTS]).toSorted((a, b) => size(b) - size(a));
  if (largest !== undefined) return largest;
  const hint = "name a range that net.ipv4.ip_local_reserved_ports holds";
  throw new SnatPortsError(local.range, `net.ipv4.ip_local_port_range leaves no ports: ${hint}`);
}

function checkGiven(given: PortRange, { range, reserved }: LocalPorts): PortRange {
  const overlap = {
    first: Math.max(given.first, range.first),
    last: Math.min(given.last, range.last),
  };
  if (size(overlap) <= 0 || gapsBetween(reserved, overlap).length === 0) return given;
  const ports = `${overlap.first}-${overlap.last}`;
  throw new SnatPortsError(
    given,
    `the node's own sockets are given ${ports}: run "sysctl net.ipv4.ip_local_reserved_ports=${ports}", added to what is there, or name another range`,
  );
}

/** What is left of a range without the taken ones. */
function gapsBetween(taken: readonly PortRange[], within = UNPRIVILEGED): PortRange[] {
  const gaps: PortRange[] = [];
  let next = within.first;
  for (const { first, last } of taken.toSorted((a, b) => a.first - b.first)) {
    gaps.push({ first: next, last: Math.min(first - 1, within.last) });
    next = Math.max(next, last + 1);
  }
  gaps.push({ first: next, last: within.last });
  return gaps.filter((gap) => size(gap) > 0);
}

const size = ({ first, last }: PortRange): number => last - first + 1;

/** Of this process's network namespace. */
export function readLocalPorts(): LocalPorts {
  const [first = 0, last = 0] = readSysctl("ip_local_port_range").split(/\s+/).map(Number);
  return { range: { first, last }, reserved: parsePorts(readSysctl("ip_local_reserved_ports")) };
}

const readSysctl = (name: string): string => readFileSync(`${SYSCTLS}/${name}`, "utf8").trim();

/** `8080,9148-9150` */
export function parsePorts(text: string): PortRange[] {
  return text
    .split(",")
    .filter((part) => part !== "")
    .map((part) => {
      const [first = 0, last = first] = part.split("-").map(Number);
      return { first, last };
    });
}
