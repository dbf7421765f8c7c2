import type { StatsReport, TrafficReport } from "../datapath/report.ts";

const help: Readonly<Record<keyof StatsReport, string>> = {
  connections: "Connections translated, and first datagrams of UDP flows",
  datagrams: "Datagrams of unconnected sockets translated",
  refused: "Connections and datagrams refused because no endpoint was eligible",
  affinity: "Selections that session affinity decided",
  unremembered:
    "Connections and datagrams that no memory was left to remember: clients may see the address of the backend",
};

/**
 * The traffic of every Service port in the Prometheus text format. It is written straight from the
 * maps: held as metric objects, 10,000 Services took 60 MB more than their text.
 */
export function trafficText(traffic: readonly TrafficReport[]): string {
  const labels = traffic.map(labelsOf);
  return (Object.keys(help) as (keyof StatsReport)[])
    .map((counter) => {
      const name = `sluice_service_${counter}_total`;
      const lines = traffic.map(({ stats }, n) => `${name}{${labels[n]}} ${stats[counter]}\n`);
      return `# HELP ${name} ${help[counter]}\n# TYPE ${name} counter\n${lines.join("")}`;
    })
    .join("\n");
}

/** Kubernetes' names hold nothing that would need escaping. */
function labelsOf({ namespace, name, portName, protocol, family }: TrafficReport): string {
  const service = `namespace="${namespace}",name="${name}",port="${portName}"`;
  return `${service},protocol="${protocol}",family="${family}"`;
}
