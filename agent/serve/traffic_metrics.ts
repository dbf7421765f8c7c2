import type { StatsReport, TrafficReport } from "../datapath/report.ts";

const help: Readonly<Record<keyof StatsReport, string>> = {
  connections: "Connections translated, first datagrams of UDP flows, and flows begun per packet",
  datagrams: "Datagrams of unconnected sockets translated",
  refused: "Connections and datagrams refused because no endpoint was eligible",
  affinity: "Selections that session affinity decided",
  unremembered:
    "Connections and datagrams that no memory was left to remember: clients may see the address of the backend",
  denied:
    "Packets and connections dropped because their source is outside loadBalancerSourceRanges",
  requestPackets: "Packets translated from clients to backends, without those of socket level",
  requestBytes: "Bytes of them, from the network header on",
  replyPackets: "Packets translated from backends to clients",
  replyBytes: "Bytes of them, from the network header on",
};

/**
 * The traffic of every Service port in the Prometheus text format. It is written straight from the
 * maps: held as metric objects, 10,000 Services took 60 MB more than their text.
 */
export function trafficText(traffic: readonly TrafficReport[]): string {
  const labels = traffic.map(labelsOf);
  return (Object.keys(help) as (keyof StatsReport)[])
    .map((counter) => {
      const name = `sluice_service_${snakeCase(counter)}_total`;
      const lines = traffic.map(({ stats }, n) => `${name}{${labels[n]}} ${stats[counter]}\n`);
      return `# HELP ${name} ${help[counter]}\n# TYPE ${name} counter\n${lines.join("")}`;
    })
    .join("\n");
}

/** `requestPackets` -> `request_packets` */
const snakeCase = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Kubernetes' names hold nothing that would need escaping. */
function labelsOf({ namespace, name, portName, protocol, family }: TrafficReport): string {
  const service = `namespace="${namespace}",name="${name}",port="${portName}"`;
  return `${service},protocol="${protocol}",family="${family}"`;
}
