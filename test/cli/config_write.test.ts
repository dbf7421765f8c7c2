import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { kubeProxyFile, type Started, start } from "./started.ts";

/** What `--write-config-to` writes to /out.conf. */
async function written(flags: string, text = "", env: Record<string, string> = {}) {
  const { code, err, calls, config } = await start(
    `--write-config-to=/out.conf ${flags}`,
    text,
    env,
  );
  expect({ code, err, config }).toEqual({
    code: 0,
    err: "wrote the configuration to /out.conf\n",
    config: undefined,
  });
  const [path, content] = calls[0]!.split(/\n(.*)/s);
  expect(path).toBe("write /out.conf");
  return content!;
}

const documents = (text: string): unknown[] =>
  parseAllDocuments(text).map((document) => document.toJS());

describe("--write-config-to", () => {
  it("writes every field as kube-proxy does, with what it means here, and ends (KP-52)", async () => {
    expect(await written("")).toBe(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
bindAddressHardFail: false
clientConnection:
  acceptContentTypes: ""
  burst: 10
  contentType: application/vnd.kubernetes.protobuf
  kubeconfig: ""
  qps: 5
clusterCIDR: ""
configSyncPeriod: 15m0s
conntrack:
  maxPerCore: 32768
  min: 131072
  tcpBeLiberal: false
  tcpCloseWaitTimeout: 0s
  tcpEstablishedTimeout: 0s
  udpStreamTimeout: 0s
  udpTimeout: 0s
detectLocal:
  bridgeInterface: ""
  interfaceNamePrefix: ""
detectLocalMode: ClusterCIDR
enableProfiling: false
healthzBindAddress: 0.0.0.0:10256
hostnameOverride: ""
iptables:
  localhostNodePorts: true
  masqueradeAll: false
  masqueradeBit: 14
  minSyncPeriod: 1s
  syncPeriod: 30s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: false
  syncPeriod: 30s
  tcpFinTimeout: 0s
  tcpTimeout: 0s
  udpTimeout: 0s
kind: KubeProxyConfiguration
logging:
  flushFrequency: 5s
  format: text
  options:
    json:
      infoBufferSize: "0"
      splitStream: false
    text:
      infoBufferSize: "0"
      splitStream: false
  verbosity: 0
metricsBindAddress: 127.0.0.1:10249
mode: ""
nftables:
  masqueradeAll: false
  masqueradeBit: 14
  minSyncPeriod: 1s
  syncPeriod: 30s
nodePortAddresses:
  - primary
oomScoreAdj: -999
portRange: ""
showHiddenMetricsForVersion: ""
windowsRunAsService: false
winkernel:
  enableDSR: false
  forwardHealthCheckVip: false
  networkName: ""
  rootHnsEndpointName: ""
  sourceVip: ""
`);
  });

  it("writes flags where kube-proxy's file has a place for them, and else as our kind", async () => {
    const flags =
      "--kubeconfig=/k --healthz-bind-address=off --nodeport-addresses=10.0.0.0/8 --masquerade-all --max-flows=9 --maglev-table-size=251";
    const env = { SLUICE_CLUSTER_IP_FROM_OUTSIDE: "true", SLUICE_NODE_NAME: "a" };
    const [theirs, ours] = documents(await written(flags, "", env));
    expect(theirs).toMatchObject({
      clientConnection: { kubeconfig: "/k" },
      healthzBindAddress: "0.0.0.0:10256",
      nodePortAddresses: ["10.0.0.0/8"],
      iptables: { masqueradeAll: true },
    });
    expect(ours).toEqual({
      apiVersion: "sluice.dev/v1alpha1",
      kind: "AgentConfiguration",
      nodeName: "a",
      healthzBindAddress: "off",
      clusterIpFromOutside: true,
      maglevTableSize: 251,
      maxFlows: 9,
    });
  });

  const again: readonly (readonly [string, string])[] = [
    ["--node-name=a", ""],
    ["--node-name=a --nodeport-addresses=all,localhost --fast-path=off --devices=eth*", ""],
    ["--node-name=a --nodeport-addresses=primary --log-format=json", ""],
    ["--hostname-override=a --proxy-mode=ipvs --bind-address=fd00::1", ""],
    [
      "--hostname-override=a --config=/c.conf",
      kubeProxyFile('bindAddress: "::"', "mode: nftables"),
    ],
    [
      "--config=/c.conf",
      kubeProxyFile("hostnameOverride: a", "nodePortAddresses: [127.0.0.0/8]", "clusterCIDR: ''"),
    ],
    ["--config=/c.conf", "nodeName: a\nudpTimeout: 5s\nmaxServices: 3\n"],
  ];
  it.each(again)("writes what makes the same agent again: %s %j", async (flags, text) => {
    const file = await written(flags, text);
    const { config, notes }: Started = await start("--config=/c.conf", file);
    const original = (await start(flags, text)).config;
    // kube-proxy has no other word for it than text, which is what "auto" is without a terminal.
    const logFormat = original?.logFormat === "auto" ? "text" : original?.logFormat;
    expect(config).toEqual({ ...original, logFormat });
    expect(notes.filter((note) => !/: (mode changes|NodePorts answer)/.test(note))).toEqual([]);
  });

  it("writes nothing where the settings are wrong", async () => {
    const { code, calls } = await start("--write-config-to=/out.conf --max-flows=0");
    expect([code, calls]).toEqual([2, []]);
  });
});
