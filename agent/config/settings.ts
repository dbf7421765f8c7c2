import { hostname } from "node:os";
import { MAGLEV_TABLE_SIZES } from "../compile/spread.ts";
import {
  oneOf,
  parseAbsolutePath,
  parseBindAddressOn,
  parseEntries,
  parseNodeIp,
  parseNodeName,
  parsePath,
  parseServer,
  parseSocketPath,
  parseSource,
} from "./parse.ts";
import { parseDuration } from "./parse_duration.ts";
import {
  parseBoolean,
  parseDevices,
  parseMaglevTableSize,
  parseNodePortAddresses,
  parsePodDevices,
  parsePortRange,
} from "./parse_network.ts";

/** One setting. Its key is its name in a file; the flag and the variable follow from it. */
export interface Setting<Value> {
  /** What stands for the value in the help text. */
  readonly placeholder: string;
  readonly help: string;
  readonly parse: (text: string) => Value;
  /** Parsed like a given value; undefined: not set. */
  readonly fallback: () => string | undefined;
  /** What the help text says of the default, where the value itself would mislead. */
  readonly fallbackHelp?: string;
  /** What a file may say, in JSON Schema; text where there is none. */
  readonly schema?: ValueSchema;
}

/** The values of a setting, as an editor knows them. */
export type ValueSchema =
  | { readonly type: "string"; readonly pattern?: string }
  | { readonly type: "boolean" }
  | { readonly type: "integer"; readonly minimum: number; readonly maximum: number }
  | { readonly enum: readonly (string | number)[] };

const words = <const Word extends string>(...known: readonly Word[]) => ({
  placeholder: known.join("|"),
  parse: oneOf(...known),
  schema: { enum: known },
});

const setting = <Value>(it: Setting<Value>): Setting<Value> => it;

/** A setting that has a default, so that its value is never missing. */
const entries = (fallback: number, help: string) => ({
  placeholder: "N",
  help,
  parse: parseEntries,
  fallback: () => `${fallback}`,
  schema: { type: "integer", minimum: 1, maximum: 2 ** 24 } as const,
});

/** How long a flow is kept after its last packet; undefined: as the node's sysctl or kernel says. */
const timeout = (help: string, sysctl: string | undefined, fallback: string) =>
  setting<number | undefined>({
    placeholder: "TIME",
    help,
    parse: parseDuration,
    fallback: () => undefined,
    fallbackHelp:
      sysctl === undefined ? fallback : `net.netfilter.nf_conntrack_${sysctl}, else ${fallback}`,
    schema: { type: "string", pattern: "^(\\d+[smhd])+$" },
  });

/** Every setting of the agent, in the order of the help text. */
export const settings = {
  source: setting({
    placeholder: "kubernetes|directory:PATH",
    help: "where Services and EndpointSlices come from",
    parse: parseSource,
    fallback: () => "kubernetes",
    schema: { type: "string", pattern: "^(kubernetes|directory:.+)$" },
  }),
  nodeName: setting({
    placeholder: "NAME",
    help: "name of the Node that this agent serves",
    parse: parseNodeName,
    fallback: () => hostname().toLowerCase(),
    fallbackHelp: "the host name in lower case",
  }),
  nodeIp: setting<readonly string[]>({
    placeholder: "IP[,IP]",
    help: "the Node's own address, or one of each family, in place of what its object says",
    parse: parseNodeIp,
    fallback: () => "",
    fallbackHelp: "none, as the Node object says",
  }),
  kubeconfig: setting<string | undefined>({
    placeholder: "FILE",
    help: "kubeconfig file for the API server",
    parse: parsePath,
    fallback: () => undefined,
    fallbackHelp: "the pod's service account, then $KUBECONFIG, then ~/.kube/config",
  }),
  server: setting<string | undefined>({
    placeholder: "URL",
    help: "URL of the API server, in place of the one that the kubeconfig names",
    parse: parseServer,
    fallback: () => undefined,
  }),
  cgroupPath: setting<string | undefined>({
    placeholder: "PATH",
    help: "cgroup2 directory whose processes are served",
    parse: parseAbsolutePath,
    fallback: () => undefined,
    fallbackHelp: "the cgroup2 mount in /proc/mounts",
  }),
  pinPath: setting({
    placeholder: "PATH",
    help: "directory on a bpf file system that holds the maps and links",
    parse: parseAbsolutePath,
    fallback: () => "/sys/fs/bpf/sluice",
  }),
  socketPath: setting({
    placeholder: "PATH",
    help: "UNIX socket on which the agent answers this command",
    parse: parseSocketPath,
    fallback: () => "/run/sluice/sluice.sock",
  }),
  healthzBindAddress: setting({
    placeholder: "ADDRESS:PORT",
    help: 'address of /healthz, /livez and /readyz; "off" for none',
    parse: parseBindAddressOn(10256),
    fallback: () => "0.0.0.0:10256",
  }),
  metricsBindAddress: setting({
    placeholder: "ADDRESS:PORT",
    help: 'address of /metrics; "off" for none',
    parse: parseBindAddressOn(10249),
    fallback: () => "127.0.0.1:10249",
  }),
  devices: setting({
    placeholder: "auto|LIST",
    help: "devices by which traffic from outside arrives: names or globs, separated by commas",
    parse: parseDevices,
    fallback: () => "auto",
    fallbackHelp: "auto, those that routes and addresses show",
  }),
  podDevices: setting({
    placeholder: "auto|off|LIST",
    help: "the node's ends of the devices of pods, for pods that bypass the socket",
    parse: parsePodDevices,
    fallback: () => "auto",
    fallbackHelp: "auto, those whose other end is in another network namespace",
  }),
  nodeportAddresses: setting({
    placeholder: "LIST",
    help: "addresses at which NodePorts answer: primary, all, localhost, no-localhost or CIDRs, separated by commas",
    parse: parseNodePortAddresses,
    fallback: () => "primary",
  }),
  clusterIpFromOutside: setting({
    placeholder: "true|false",
    help: "whether ClusterIPs answer to what arrives from outside the node",
    parse: parseBoolean,
    fallback: () => "false",
    schema: { type: "boolean" },
  }),
  snatPortRange: setting({
    placeholder: "auto|FIRST-LAST",
    help: "source ports of masqueraded flows",
    parse: parsePortRange,
    fallback: () => "auto",
    fallbackHelp: "auto, the largest range outside of NodePorts and net.ipv4.ip_local_port_range",
  }),
  fastPath: setting({
    ...words("auto", "on", "off"),
    help: "whether packets may skip the network stack; auto: where no netfilter rule would miss them",
    fallback: () => "auto",
  }),
  maglevTableSize: setting({
    placeholder: "N",
    help: "slots for each Service that is spread by a hash: a prime, the same on every node",
    parse: parseMaglevTableSize,
    fallback: () => "16381",
    schema: { enum: MAGLEV_TABLE_SIZES },
  }),
  tcpOpeningTimeout: timeout(
    "how long a TCP or SCTP flow without an answer is kept after its last packet",
    "tcp_timeout_syn_sent",
    "2m",
  ),
  tcpEstablishedTimeout: timeout(
    "the same of an established TCP flow",
    "tcp_timeout_established",
    "24h",
  ),
  tcpClosingTimeout: timeout("the same of one that one side has closed", undefined, "1h"),
  tcpClosedTimeout: timeout("the same of one that is closed or reset", "tcp_timeout_close", "10s"),
  udpTimeout: timeout("the same of a UDP flow without an answer", "udp_timeout", "30s"),
  udpStreamTimeout: timeout("the same of an answered UDP flow", "udp_timeout_stream", "2m"),
  auditPeriod: setting({
    placeholder: "TIME",
    help: "how often the maps are compared with what was written, and mended",
    parse: parseDuration,
    fallback: () => "10m",
    schema: { type: "string", pattern: "^(\\d+[smhd])+$" },
  }),
  logLevel: setting({
    ...words("error", "warn", "info", "debug"),
    help: "least severe level to log",
    fallback: () => "info",
  }),
  logFormat: setting({
    ...words("auto", "text", "json"),
    help: "auto: text on a terminal, JSON otherwise",
    fallback: () => "auto",
  }),
  maxServices: setting(entries(16_384, "Service ports that the maps can hold, per IP family one")),
  maxFrontends: setting(entries(65_536, "addresses and ports at which Services answer")),
  maxEndpoints: setting(entries(262_144, "endpoints, counted once per Service port")),
  maxSlots: setting(entries(524_288, "places in the slices from which an endpoint is picked")),
  maxAffinities: setting(entries(65_536, "clients remembered for session affinity")),
  maxSourceRanges: setting(entries(65_536, "source ranges, counted once per Service port")),
  maxFlows: setting(entries(65_536, "flows translated per packet that are remembered")),
} as const;

export type SettingKey = keyof typeof settings;

export const settingKeys = Object.keys(settings) as readonly SettingKey[];

/** The agent's settings, all resolved. */
export type AgentConfig = {
  readonly [Key in SettingKey]: ReturnType<(typeof settings)[Key]["parse"]>;
};

/** `nodeName` -> `--node-name` */
export function flagOf(key: SettingKey): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `nodeName` -> `SLUICE_NODE_NAME` */
export function variableOf(key: SettingKey): string {
  return `SLUICE_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}
