import {
  address,
  atMostOneOfEach,
  ipvsCidrs,
  localMode,
  nodePortAddresses,
  type Problem,
  words,
} from "./check.ts";
import {
  boolean,
  duration,
  durationOrNanoseconds,
  type FieldType,
  gates,
  integer,
  number,
  quantity,
  signedDuration,
  text,
  texts,
  verbosities,
} from "./type.ts";

/** One field of a KubeProxyConfiguration (KP-50). */
export interface Field {
  readonly type: FieldType;
  /** The flag of kube-proxy that stands for it, without dashes. */
  readonly flag?: string;
  /** The flag counts beside a file, too, and wins over it (KP-52). */
  readonly flagWins?: true;
  /** Only null is unset: 0, false and 0s are said on purpose. */
  readonly isPointer?: true;
  /** What an unset field means to kube-proxy, where that is not the type's zero. */
  readonly preset?: unknown;
  /** What is wrong with a value of the right type; `other` gives the other fields' values. */
  readonly check?: (value: unknown, other: (path: string) => unknown) => readonly Problem[];
  /** Why it changes nothing here. */
  readonly moot?: string;
}

const moot = (type: FieldType, reason: string, more: Omit<Field, "type" | "moot"> = {}): Field => ({
  type,
  moot: reason,
  ...more,
});

const json = "the API server is asked for JSON";
const unlimited = "there are a few watches and no other requests to limit";
const lines = "each line is written at once, to standard error";
const unmarked = "packets carry no mark to be masqueraded by";
const unmasqueraded =
  "sockets connect to the endpoint itself, with the pod's own address; only what comes from outside and leaves for another node is masqueraded";
const prompt = "each change is programmed when it comes, and what failed is tried again by itself";
const mended =
  "each change is programmed when it comes; --audit-period says how often what others have changed is mended";
const ipvs = "there are no IPVS rules";
const untracked = "no connection is looked up in nf_conntrack, whose limits stay the node's own";
const windows = "it is of Windows";
const undetected =
  "pods need not be told from others: nothing is masqueraded for where it comes from inside the cluster";
const unprofiled = "there is no profile to show";

const masqueradeBit = { isPointer: true, preset: 14 } as const;

/** Every field, by its path. */
export const fields: Readonly<Record<string, Field>> = {
  featureGates: moot(gates, "no gate of kube-proxy decides anything", { flag: "feature-gates" }),
  "clientConnection.kubeconfig": { type: text, flag: "kubeconfig" },
  "clientConnection.acceptContentTypes": moot(text, json),
  "clientConnection.contentType": moot(text, json, {
    flag: "kube-api-content-type",
    preset: "application/vnd.kubernetes.protobuf",
  }),
  "clientConnection.qps": moot(number, unlimited, { flag: "kube-api-qps", preset: 5 }),
  "clientConnection.burst": moot(integer(0), unlimited, { flag: "kube-api-burst", preset: 10 }),
  "logging.format": {
    type: text,
    flag: "logging-format",
    flagWins: true,
    preset: "text",
    check: words("text", "json"),
  },
  "logging.verbosity": { type: integer(0), flag: "v", flagWins: true },
  "logging.flushFrequency": moot(durationOrNanoseconds, lines, {
    flag: "log-flush-frequency",
    flagWins: true,
    preset: "5s",
  }),
  "logging.vmodule": moot(verbosities, "files have no level of their own", {
    flag: "vmodule",
    flagWins: true,
  }),
  "logging.options.text.splitStream": moot(boolean, lines, {
    flag: "log-text-split-stream",
    flagWins: true,
  }),
  "logging.options.text.infoBufferSize": moot(quantity, lines, {
    flag: "log-text-info-buffer-size",
    flagWins: true,
    preset: "0",
  }),
  "logging.options.json.splitStream": moot(boolean, lines, {
    flag: "log-json-split-stream",
    flagWins: true,
  }),
  "logging.options.json.infoBufferSize": moot(quantity, lines, {
    flag: "log-json-info-buffer-size",
    flagWins: true,
    preset: "0",
  }),
  hostnameOverride: { type: text, flag: "hostname-override", flagWins: true },
  bindAddress: { type: text, flag: "bind-address", preset: "0.0.0.0", check: address },
  healthzBindAddress: { type: text, flag: "healthz-bind-address", preset: "0.0.0.0:10256" },
  metricsBindAddress: { type: text, flag: "metrics-bind-address", preset: "127.0.0.1:10249" },
  bindAddressHardFail: moot(boolean, "a port that is taken is logged, and tried again", {
    flag: "bind-address-hard-fail",
  }),
  enableProfiling: moot(boolean, unprofiled, { flag: "profiling" }),
  showHiddenMetricsForVersion: moot(text, "no metric is hidden", {
    flag: "show-hidden-metrics-for-version",
  }),
  mode: {
    type: text,
    flag: "proxy-mode",
    check: words("iptables", "ipvs", "nftables"),
    moot: "Services are served by eBPF programs in each mode; it only decides where NodePorts answer",
  },
  "iptables.masqueradeBit": moot(integer(0, 31), unmarked, {
    ...masqueradeBit,
    flag: "iptables-masquerade-bit",
  }),
  "iptables.masqueradeAll": moot(boolean, unmasqueraded, { flag: "masquerade-all" }),
  "iptables.localhostNodePorts": {
    type: boolean,
    flag: "iptables-localhost-nodeports",
    isPointer: true,
    preset: true,
  },
  "iptables.syncPeriod": moot(duration, mended, { flag: "iptables-sync-period", preset: "30s" }),
  "iptables.minSyncPeriod": moot(duration, prompt, {
    flag: "iptables-min-sync-period",
    preset: "1s",
  }),
  "ipvs.syncPeriod": moot(signedDuration, ipvs, { flag: "ipvs-sync-period", preset: "30s" }),
  "ipvs.minSyncPeriod": moot(signedDuration, ipvs, { flag: "ipvs-min-sync-period" }),
  "ipvs.scheduler": moot(text, ipvs, { flag: "ipvs-scheduler" }),
  "ipvs.excludeCIDRs": moot(texts, ipvs, { flag: "ipvs-exclude-cidrs", check: ipvsCidrs }),
  "ipvs.strictARP": moot(boolean, "no Service's address is put on a device", {
    flag: "ipvs-strict-arp",
  }),
  "ipvs.tcpTimeout": moot(signedDuration, ipvs, { flag: "ipvs-tcp-timeout" }),
  "ipvs.tcpFinTimeout": moot(signedDuration, ipvs, { flag: "ipvs-tcpfin-timeout" }),
  "ipvs.udpTimeout": moot(signedDuration, ipvs, { flag: "ipvs-udp-timeout" }),
  "nftables.masqueradeBit": moot(integer(-(2 ** 31)), unmarked, masqueradeBit),
  "nftables.masqueradeAll": moot(boolean, unmasqueraded),
  "nftables.syncPeriod": moot(signedDuration, mended, { preset: "30s" }),
  "nftables.minSyncPeriod": moot(signedDuration, prompt, { preset: "1s" }),
  "winkernel.networkName": moot(text, windows),
  "winkernel.sourceVip": moot(text, windows),
  "winkernel.enableDSR": moot(boolean, windows),
  "winkernel.rootHnsEndpointName": moot(text, windows),
  "winkernel.forwardHealthCheckVip": moot(boolean, windows),
  detectLocalMode: moot(text, undetected, {
    flag: "detect-local-mode",
    preset: "ClusterCIDR",
    check: localMode,
  }),
  "detectLocal.bridgeInterface": moot(text, undetected, { flag: "pod-bridge-interface" }),
  "detectLocal.interfaceNamePrefix": moot(text, undetected, { flag: "pod-interface-name-prefix" }),
  clusterCIDR: moot(text, undetected, { flag: "cluster-cidr", check: atMostOneOfEach }),
  nodePortAddresses: { type: texts, flag: "nodeport-addresses", check: nodePortAddresses },
  oomScoreAdj: moot(
    integer(-1000, 1000),
    "the programs serve on when the agent is ended for its memory",
    { flag: "oom-score-adj", isPointer: true, preset: -999 },
  ),
  "conntrack.maxPerCore": moot(integer(0), untracked, {
    flag: "conntrack-max-per-core",
    isPointer: true,
    preset: 32_768,
  }),
  "conntrack.min": moot(integer(0), untracked, {
    flag: "conntrack-min",
    isPointer: true,
    preset: 131_072,
  }),
  "conntrack.tcpEstablishedTimeout": { type: duration, flag: "conntrack-tcp-timeout-established" },
  "conntrack.tcpCloseWaitTimeout": { type: duration, flag: "conntrack-tcp-timeout-close-wait" },
  "conntrack.tcpBeLiberal": moot(boolean, "no connection is held to its sequence numbers anyhow", {
    flag: "conntrack-tcp-be-liberal",
  }),
  "conntrack.udpTimeout": { type: duration, flag: "conntrack-udp-timeout" },
  "conntrack.udpStreamTimeout": { type: duration, flag: "conntrack-udp-timeout-stream" },
  configSyncPeriod: moot(duration, "watches bring each change when it is made", {
    flag: "config-sync-period",
    preset: "15m0s",
  }),
  portRange: moot(text, "kube-proxy has no use for it either"),
  windowsRunAsService: moot(boolean, windows),
};

/** Undefined where there is none, "constructor" among them. */
export const fieldAt = (path: string): Field | undefined =>
  Object.hasOwn(fields, path) ? fields[path] : undefined;
