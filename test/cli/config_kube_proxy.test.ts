import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadAccess } from "../../agent/sources/kubernetes/access.ts";
import { kubeProxyFile, start } from "./started.ts";

const kubeadm = join(import.meta.dirname, "kubeadm");
const configConf = readFileSync(join(kubeadm, "config.conf"), "utf8");

const cidrReason =
  "pods need not be told from others: nothing is masqueraded for where it comes from inside the cluster";

describe("a KubeProxyConfiguration", () => {
  it("starts the agent unchanged as kubeadm writes it, by the flags of kubeadm's DaemonSet (KP-50, KP-51)", async () => {
    const { code, err, config, notes } = await start(
      "--config=/c.conf --hostname-override=node-1",
      configConf,
    );
    expect([code, err]).toEqual([0, ""]);
    expect(config).toMatchObject({
      source: { kind: "kubernetes" },
      nodeName: "node-1",
      nodeIp: [],
      kubeconfig: "/var/lib/kube-proxy/kubeconfig.conf",
      server: undefined,
      healthzBindAddress: { host: "0.0.0.0", port: 10256 },
      metricsBindAddress: { host: "127.0.0.1", port: 10249 },
      nodeportAddresses: { primary: false, all: true, localhost: true, prefixes: [] },
      tcpEstablishedTimeout: undefined,
      tcpClosingTimeout: undefined,
      udpTimeout: undefined,
      udpStreamTimeout: undefined,
      logLevel: "info",
      logFormat: "auto",
    });
    expect(notes).toEqual([
      `info /c.conf: clusterCIDR changes nothing here: ${cidrReason}`,
      "info /c.conf: NodePorts answer at all,localhost, as in mode iptables without nodePortAddresses",
    ]);
  });

  it("names a kubeconfig that gives the API server, as kubeadm writes that (KP-51)", async () => {
    const { server } = await loadAccess({ kubeconfig: join(kubeadm, "kubeconfig.conf") });
    expect(server.href).toBe("https://10.0.0.10:6443/");
  });

  it("says nothing by zero values (KP-51)", async () => {
    const zero = kubeProxyFile(
      "clientConnection: null",
      "conntrack: {udpTimeout: 0s, udpStreamTimeout: 0h0m0s, tcpEstablishedTimeout: 0s, maxPerCore: null}",
      "detectLocal:",
      'detectLocalMode: ""',
      "featureGates: {}",
      'healthzBindAddress: ""',
      'hostnameOverride: ""',
      "mode: nftables",
      "nodePortAddresses: []",
      "logging: {flushFrequency: 0, verbosity: 0, vmodule: []}",
    );
    const { config, notes } = await start("--config=/c.conf --node-name=a", zero);
    expect(config).toEqual((await start("--node-name=a")).config);
    expect(notes).toEqual([
      "info /c.conf: mode changes nothing here: Services are served by eBPF programs in each mode; it only decides where NodePorts answer",
      "info /c.conf: NodePorts answer at primary, as in mode nftables without nodePortAddresses",
    ]);
  });

  it("sets what the agent has, too (KP-05, KP-50)", async () => {
    const full = kubeProxyFile(
      'hostnameOverride: " Node-7 "',
      "bindAddress: 192.0.2.7",
      "clientConnection: {kubeconfig: /etc/kubeconfig}",
      "healthzBindAddress: 0.0.0.0:1111",
      "metricsBindAddress: fd00::1",
      "nodePortAddresses: [192.0.2.7/24, fd00::/8]",
      "logging: {format: json, verbosity: 4}",
      "conntrack:",
      "  tcpEstablishedTimeout: 1h0m0s",
      "  tcpCloseWaitTimeout: 90s",
      "  udpTimeout: 1500ms",
      "  udpStreamTimeout: 0.5s",
    );
    const { config, notes } = await start("--config=/c.conf", full);
    expect(notes).toEqual([]);
    expect(config).toMatchObject({
      nodeName: "node-7",
      nodeIp: ["192.0.2.7"],
      kubeconfig: "/etc/kubeconfig",
      healthzBindAddress: { host: "0.0.0.0", port: 1111 },
      metricsBindAddress: { host: "fd00::1", port: 10249 },
      logFormat: "json",
      logLevel: "debug",
      tcpEstablishedTimeout: 3600,
      tcpClosingTimeout: 90,
      udpTimeout: 2,
      udpStreamTimeout: 1,
    });
    expect(config?.nodeportAddresses.prefixes.map(({ family, bits }) => [family, bits])).toEqual([
      ["IPv4", 120],
      ["IPv6", 8],
    ]);
  });

  it.each([
    ["", { primary: false, all: true, localhost: true }],
    ["mode: iptables", { primary: false, all: true, localhost: true }],
    ["iptables: {localhostNodePorts: false}", { primary: false, all: true, localhost: false }],
    ["mode: ipvs", { primary: false, all: true, localhost: false }],
    ["mode: nftables", { primary: true, all: false, localhost: false }],
    ["nodePortAddresses: [primary]", { primary: true, all: false, localhost: false }],
    ["nodePortAddresses: [10.0.0.0/8]", { primary: false, all: false, localhost: false }],
    ["nodePortAddresses: [127.0.0.0/8]", { primary: false, all: false, localhost: true }],
    ["nodePortAddresses: [0.0.0.0/0]\nmode: nftables", { localhost: false, noLocalhost: true }],
    [
      "nodePortAddresses: [127.0.0.0/8]\niptables: {localhostNodePorts: false}",
      { localhost: false, noLocalhost: true },
    ],
    ["nodePortAddresses: [10.0.0.0/8, '::/0']", { localhost: false, noLocalhost: true }],
  ])("has NodePorts answer where kube-proxy does: %j (KP-26, KP-27)", async (line, expected) => {
    const { config } = await start("--config=/c.conf", kubeProxyFile(line));
    expect(config?.nodeportAddresses).toMatchObject(expected);
  });

  it("keeps every IPv6 address beside the loopback of IPv4 (KP-26)", async () => {
    const file = kubeProxyFile("nodePortAddresses: [127.0.0.0/8, 10.0.0.0/8]");
    const { config } = await start("--config=/c.conf", file);
    expect(config?.nodeportAddresses.prefixes.map(({ family, bits }) => [family, bits])).toEqual([
      ["IPv4", 104],
      ["IPv4", 104],
      ["IPv6", 0],
    ]);
  });

  it("has its servers listen on IPv6 where bindAddress is of it (KP-50)", async () => {
    const { config } = await start("--config=/c.conf", kubeProxyFile('bindAddress: "::"'));
    expect(config).toMatchObject({
      nodeIp: [],
      healthzBindAddress: { host: "::", port: 10256 },
      metricsBindAddress: { host: "::1", port: 10249 },
    });
  });

  it("says once of each field that is set in vain why it is, and not of its default (KP-20, KP-32, KP-53)", async () => {
    const file = kubeProxyFile(
      "iptables: {masqueradeAll: true, masqueradeBit: 14, syncPeriod: 30s}",
      "conntrack: {maxPerCore: 0, min: 131072, tcpBeLiberal: true}",
      "detectLocalMode: BridgeInterface",
      "detectLocal: {bridgeInterface: cni0}",
      "oomScoreAdj: -998",
      "nodePortAddresses: [primary]",
    );
    const { notes } = await start("--config=/c.conf", file);
    expect(notes).toEqual([
      "info /c.conf: iptables.masqueradeAll changes nothing here: sockets connect to the endpoint itself, with the pod's own address; only what comes from outside and leaves for another node is masqueraded",
      "info /c.conf: conntrack.maxPerCore changes nothing here: no connection is looked up in nf_conntrack, whose limits stay the node's own",
      "info /c.conf: conntrack.tcpBeLiberal changes nothing here: no connection is held to its sequence numbers anyhow",
      `info /c.conf: detectLocalMode changes nothing here: ${cidrReason}`,
      `info /c.conf: detectLocal.bridgeInterface changes nothing here: ${cidrReason}`,
      "info /c.conf: oomScoreAdj changes nothing here: the programs serve on when the agent is ended for its memory",
    ]);
  });

  it("is taken with a warning where a field is unknown or stands twice (KP-50)", async () => {
    const file = kubeProxyFile(
      "bindAdress: 192.0.2.7",
      "conntrack: {udpTimout: 1s, other: {a: 1}}",
      "nodePortAddresses: [primary]",
      "nodePortAddresses: [10.0.0.0/8]",
    );
    const { code, config, notes } = await start("--config=/c.conf", file);
    expect(code).toBe(0);
    expect(config?.nodeportAddresses.primary).toBe(false);
    expect(notes).toEqual([
      "warn /c.conf: line 6: a key stands here for the second time; this value counts",
      "warn /c.conf: bindAdress: there is no such field, so it is left out; use bindAddress",
      "warn /c.conf: conntrack.udpTimout: there is no such field, so it is left out; use conntrack.udpTimeout",
      "warn /c.conf: conntrack.other: there is no such field, so it is left out",
    ]);
  });

  it("ends with 2 and three messages with their paths for an unknown field, a wrong type and a wrong CIDR", async () => {
    const file = kubeProxyFile(
      "clusterCDIR: 10.244.0.0/16",
      "conntrack:",
      '  maxPerCore: "32768"',
      "nodePortAddresses:",
      "- 192.168.0.0/16",
      "- 10.0.0.0/33",
    );
    expect(await start("--config=/c.conf", file)).toMatchObject({
      code: 2,
      out: "",
      config: undefined,
      err: [
        "warning: /c.conf: clusterCDIR: there is no such field, so it is left out; use clusterCIDR",
        'error: /c.conf: conntrack.maxPerCore: "32768" is not valid; use a whole number from 0 to 2147483647',
        'error: /c.conf: nodePortAddresses[1]: "10.0.0.0/33" is not valid; use a CIDR such as 192.168.1.0/24 or fd00::/8, or "primary" alone',
        "",
      ].join("\n"),
    });
  });

  it.each([
    ["mode: kernelspace", 'mode: "kernelspace" is not valid; use one of iptables, ipvs, nftables'],
    ["mode: 5", "mode: 5 is not valid; use text"],
    ["enableProfiling: 1", "enableProfiling: 1 is not valid; use true or false"],
    ["conntrack: 5", "conntrack: 5 is not valid; use a mapping"],
    [
      "conntrack: {udpTimeout: 30}",
      "conntrack.udpTimeout: 30 is not valid; use a time of 0s or more, such as 30s, 15m or 24h0m0s",
    ],
    [
      "conntrack: {udpTimeout: -1s}",
      'conntrack.udpTimeout: "-1s" is not valid; use a time of 0s or more, such as 30s, 15m or 24h0m0s',
    ],
    ["oomScoreAdj: 1001", "oomScoreAdj: 1001 is not valid; use a whole number from -1000 to 1000"],
    ["bindAddress: 1.2.3", 'bindAddress: "1.2.3" is not valid; use an IP address'],
    [
      "healthzBindAddress: node:80",
      'healthzBindAddress: "node:80" is not valid; use IP:PORT, [IPv6]:PORT or :PORT, or "off" for no server',
    ],
    [
      "clusterCIDR: 10.0.0.0/8,10.1.0.0/16",
      'clusterCIDR: "10.0.0.0/8,10.1.0.0/16" is not valid; use one CIDR such as 10.244.0.0/16, or one of each family with a comma between',
    ],
    [
      "nodePortAddresses: [primary, 10.0.0.0/8]",
      'nodePortAddresses[0]: "primary" is not valid; use a CIDR such as 192.168.1.0/24 or fd00::/8, or "primary" alone',
    ],
    [
      "nodePortAddresses: 10.0.0.0/8",
      'nodePortAddresses: "10.0.0.0/8" is not valid; use a list of texts',
    ],
    [
      "detectLocalMode: BridgeInterface",
      'detectLocalMode: "BridgeInterface" is not valid; use detectLocal.bridgeInterface with it',
    ],
    ["logging: {format: xml}", 'logging.format: "xml" is not valid; use one of text, json'],
    [
      "featureGates: {A: maybe}",
      'featureGates: {"A":"maybe"} is not valid; use a mapping of feature gates to true or false',
    ],
  ])("is refused with its path where it says %j", async (line, message) => {
    const { code, err } = await start("--config=/c.conf", kubeProxyFile(line));
    expect([code, err]).toEqual([2, `error: /c.conf: ${message}\n`]);
  });

  it("takes what kube-proxy takes: JSON, host bits in a CIDR, anything of a mode that is not in use", async () => {
    const file = JSON.stringify({
      apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
      kind: "KubeProxyConfiguration",
      nodePortAddresses: ["10.1.2.3/8"],
      detectLocalMode: "NodeCIDR",
      clusterCIDR: "anything",
      ipvs: { excludeCIDRs: ["anything"], syncPeriod: "-1s" },
      nftables: { masqueradeBit: 40 },
      logging: { flushFrequency: 5_000_000_000, options: { json: { infoBufferSize: "4Ki" } } },
    });
    expect((await start("--config=/c.conf", file)).code).toBe(0);
  });
});

describe("a configuration file", () => {
  const ours = "apiVersion: sluice.dev/v1alpha1\nkind: AgentConfiguration\n";

  it("holds our settings by their kind, or by none", async () => {
    const lines = "maxServices: 100\nhealthzBindAddress: 127.0.0.1:1\n";
    for (const text of [lines, ours + lines, `---\n${ours}${lines}---\n`]) {
      const { config } = await start("--config=/c.conf", text);
      expect(config).toMatchObject({
        maxServices: 100,
        healthzBindAddress: { host: "127.0.0.1", port: 1 },
      });
    }
  });

  it("holds both kinds as two documents, and ours wins", async () => {
    const theirs = kubeProxyFile("healthzBindAddress: 127.0.0.1:2", "hostnameOverride: b");
    const own = `${ours}healthzBindAddress: 127.0.0.1:1\nmaxFlows: 9\n`;
    for (const text of [`${theirs}---\n${own}`, `${own}---\n${theirs}`]) {
      const { config } = await start("--config=/c.conf", text);
      expect(config).toMatchObject({
        nodeName: "b",
        maxFlows: 9,
        healthzBindAddress: { host: "127.0.0.1", port: 1 },
      });
    }
  });

  it.each([
    [
      "apiVersion: kubeproxy.config.k8s.io/v1\nkind: KubeProxyConfiguration",
      'apiVersion "kubeproxy.config.k8s.io/v1" with kind "KubeProxyConfiguration" is not known; use kubeproxy.config.k8s.io/v1alpha1 with KubeProxyConfiguration or sluice.dev/v1alpha1 with AgentConfiguration',
    ],
    [
      "kind: AgentConfiguration",
      'apiVersion none with kind "AgentConfiguration" is not known; use kubeproxy.config.k8s.io/v1alpha1 with KubeProxyConfiguration or sluice.dev/v1alpha1 with AgentConfiguration',
    ],
    [`${ours}---\n${ours}`, "there are two documents of AgentConfiguration; leave one"],
    [`${ours}nodename: a`, 'there is no setting "nodename"; use "nodeName"'],
    [
      `${ours}nodeName: a\nnodeName: b`,
      "cannot be read as YAML or JSON: Map keys must be unique at line 4, column 1",
    ],
    [
      "nodeName: [a",
      "cannot be read as YAML or JSON: Flow sequence in block collection must be sufficiently indented and end with a ] at line 1, column 13",
    ],
  ])("is refused in one line where it says %j", async (text, message) => {
    const { code, err } = await start("--config=/c.conf", text);
    expect([code, err]).toEqual([2, `error: /c.conf: ${message}\n`]);
  });

  it("gives other commands their paths, whatever else it says", async () => {
    const text = `${ours}pinPath: /sys/fs/bpf/other\n---\n${kubeProxyFile("mode: none")}`;
    expect((await start("--config=/c.conf --cleanup", text)).err).toBe(
      "error: an agent answers on /run/sluice/sluice.sock; stop it first, or use --force\n",
    );
  });
});
