import { readFileSync } from "node:fs";

/** How long a flow is kept after its last packet, in seconds, by what it has shown. */
export interface FlowTimeouts {
  /** TCP or SCTP without an answer. */
  readonly tcpOpening: number;
  readonly tcpEstablished: number;
  /** FIN or SHUTDOWN from one side. */
  readonly tcpClosing: number;
  /** FIN from both sides, or RST; SHUTDOWN ACK, SHUTDOWN COMPLETE, ABORT. */
  readonly tcpClosed: number;
  /** UDP without an answer. */
  readonly udp: number;
  readonly udpStream: number;
}

interface Default {
  /** Below net.netfilter; what the node's conntrack goes by holds for ours too. Undefined: none does. */
  readonly sysctl?: string;
  readonly seconds: number;
}

/**
 * The kernel's own defaults (nf_conntrack-sysctl.rst), but for three. Established connections have
 * 5 days there, which kube-proxy shortens to one. One that the client has half closed has a minute
 * or two, in which a slow server may have said nothing yet: kube-proxy sets an hour (KP-53). A closed
 * one is kept as after RST: nothing but retransmissions follows, each of which begins the time anew,
 * and for two minutes of TIME_WAIT a busy node would fill the table with connections that are over.
 */
export const flowTimeoutDefaults = {
  tcpOpening: { sysctl: "nf_conntrack_tcp_timeout_syn_sent", seconds: 120 },
  tcpEstablished: { sysctl: "nf_conntrack_tcp_timeout_established", seconds: 86_400 },
  tcpClosing: { seconds: 3_600 },
  tcpClosed: { sysctl: "nf_conntrack_tcp_timeout_close", seconds: 10 },
  udp: { sysctl: "nf_conntrack_udp_timeout", seconds: 30 },
  udpStream: { sysctl: "nf_conntrack_udp_timeout_stream", seconds: 120 },
} as const satisfies Record<keyof FlowTimeouts, Default>;

const keys = Object.keys(flowTimeoutDefaults) as (keyof FlowTimeouts)[];

type Chosen = { readonly [Key in keyof FlowTimeouts]: number | undefined };

/** What was chosen, else the node's sysctl where nf_conntrack is loaded, else the default. */
export function resolveFlowTimeouts(
  chosen: Chosen,
  sysctl: (name: string) => number | undefined = readSysctl,
): FlowTimeouts {
  const resolved = keys.map((key) => {
    const { sysctl: name, seconds }: Default = flowTimeoutDefaults[key];
    const own = name === undefined ? undefined : sysctl(name);
    return [key, chosen[key] ?? own ?? seconds] as const;
  });
  return Object.fromEntries(resolved) as Record<keyof FlowTimeouts, number>;
}

/** Undefined: there is no such setting, or it says nothing that could be meant. */
function readSysctl(name: string): number | undefined {
  try {
    const value = Number(readFileSync(`/proc/sys/net/netfilter/${name}`, "utf8"));
    return Number.isInteger(value) && value > 0 ? value : undefined;
  } catch {
    return undefined;
  }
}
