import type { Service, ServicePort } from "../model/service.ts";
import type { Report } from "./problem.ts";

/**
 * The ports that can be programmed, in order. The same number for several protocols is fine
 * (KP-33); of two ports that would answer at the same number, or under the same name, for one
 * protocol, the first stands. A nodePort that cannot be had is 0, and so is that of a ClusterIP.
 */
export function usablePorts(service: Service, report: Report): readonly ServicePort[] {
  const usable: ServicePort[] = [];
  const target = `Service ${service.namespace}/${service.name}`;
  for (const port of service.ports) {
    if (!isUsablePort(port.port)) {
      report("invalid-port", target, `${spell(port)} is not programmed; use 1 to 65535`);
    } else if (usable.some((other) => clash(port, other))) {
      const why = "another port of the Service has its number or its name, and its protocol";
      report("duplicate-port", target, `${spell(port)} is not programmed: ${why}; change one`);
    } else {
      const nodePort = usableNodePort(port, service, usable, report);
      usable.push(nodePort === port.nodePort ? port : { ...port, nodePort });
    }
  }
  if (service.ports.length === 0) {
    report("no-ports", target, "nothing is programmed; add at least one port to spec.ports");
  }
  return usable;
}

/** Whether it can stand on the wire. */
export function isUsablePort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535;
}

/** What is left of a former type does not count; the API server clears it by and by (KP-34). */
function usableNodePort(
  port: ServicePort,
  { namespace, name, type }: Service,
  others: readonly ServicePort[],
  report: Report,
): number {
  const { nodePort, protocol } = port;
  if (nodePort === 0 || (type !== "NodePort" && type !== "LoadBalancer")) return 0;
  const target = `Service ${namespace}/${name}`;
  const refused = `nodePort ${nodePort} of ${spell(port)} is not programmed`;
  if (!isUsablePort(nodePort)) {
    report("invalid-port", target, `${refused}; use 1 to 65535`);
    return 0;
  }
  if (others.some((other) => other.nodePort === nodePort && other.protocol === protocol)) {
    const why = "another port of the Service has it, with its protocol";
    report("duplicate-port", target, `${refused}: ${why}; change one`);
    return 0;
  }
  return nodePort;
}

function clash(a: ServicePort, b: ServicePort): boolean {
  return a.protocol === b.protocol && (a.port === b.port || a.name === b.name);
}

function spell(port: ServicePort): string {
  const name = port.name === "" ? "" : ` (${port.name})`;
  return `port ${port.port}/${port.protocol}${name}`;
}
