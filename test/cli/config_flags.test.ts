import { describe, expect, it } from "vitest";
import { kubeProxyFlags } from "../../agent/config/kube_proxy/flags.ts";
import { down, run } from "./fixture.ts";
import { kubeProxyFile, start } from "./started.ts";

/** Every flag of kube-proxy v1.36.3 but for those of help, version and the embedded cAdvisor. */
const flagsOfKubeProxy = `
  bind-address bind-address-hard-fail cleanup cluster-cidr config config-sync-period
  conntrack-max-per-core conntrack-min conntrack-tcp-be-liberal conntrack-tcp-timeout-close-wait
  conntrack-tcp-timeout-established conntrack-udp-timeout conntrack-udp-timeout-stream
  detect-local-mode feature-gates healthz-bind-address healthz-port hostname-override init-only
  iptables-localhost-nodeports iptables-masquerade-bit iptables-min-sync-period iptables-sync-period
  ipvs-exclude-cidrs ipvs-min-sync-period ipvs-scheduler ipvs-strict-arp ipvs-sync-period
  ipvs-tcp-timeout ipvs-tcpfin-timeout ipvs-udp-timeout kube-api-burst kube-api-content-type
  kube-api-qps kubeconfig log-flush-frequency log-json-info-buffer-size log-json-split-stream
  log-text-info-buffer-size log-text-split-stream logging-format masquerade-all master
  metrics-bind-address metrics-port nodeport-addresses oom-score-adj pod-bridge-interface
  pod-interface-name-prefix profiling proxy-mode show-hidden-metrics-for-version v vmodule
  write-config-to`
  .trim()
  .split(/\s+/);

/** A right value of each flag, and what the agent says of it at its start. */
const moot: readonly (readonly [string, string])[] = [
  ["--feature-gates=A=true,B=false", "no gate of kube-proxy decides anything"],
  ["--kube-api-content-type=application/json", "the API server is asked for JSON"],
  ["--kube-api-qps=7.5", "there are a few watches and no other requests to limit"],
  ["--kube-api-burst=20", "there are a few watches and no other requests to limit"],
  ["--log-flush-frequency=1s", "each line is written at once, to standard error"],
  ["--vmodule=proxy=4,server=2", "files have no level of their own"],
  ["--log-text-split-stream", "each line is written at once, to standard error"],
  ["--log-text-info-buffer-size=4Ki", "each line is written at once, to standard error"],
  ["--log-json-split-stream=true", "each line is written at once, to standard error"],
  ["--log-json-info-buffer-size=512", "each line is written at once, to standard error"],
  ["--bind-address-hard-fail", "a port that is taken is logged, and tried again"],
  ["--profiling", "there is no profile to show"],
  ["--show-hidden-metrics-for-version=1.35", "no metric is hidden"],
  [
    "--proxy-mode=ipvs",
    "Services are served by eBPF programs in each mode; it only decides where NodePorts answer",
  ],
  ["--iptables-masquerade-bit=15", "packets carry no mark to be masqueraded by"],
  [
    "--masquerade-all",
    "sockets connect to the endpoint itself, with the pod's own address; only what comes from outside and leaves for another node is masqueraded",
  ],
  [
    "--iptables-sync-period=1m",
    "each change is programmed when it comes; --audit-period says how often what others have changed is mended",
  ],
  [
    "--iptables-min-sync-period=5s",
    "each change is programmed when it comes, and what failed is tried again by itself",
  ],
  ["--ipvs-sync-period=1m", "there are no IPVS rules"],
  ["--ipvs-min-sync-period=5s", "there are no IPVS rules"],
  ["--ipvs-scheduler=rr", "there are no IPVS rules"],
  ["--ipvs-exclude-cidrs=10.0.0.0/8,fd00::/8", "there are no IPVS rules"],
  ["--ipvs-strict-arp", "no Service's address is put on a device"],
  ["--ipvs-tcp-timeout=1m", "there are no IPVS rules"],
  ["--ipvs-tcpfin-timeout=1m", "there are no IPVS rules"],
  ["--ipvs-udp-timeout=1m", "there are no IPVS rules"],
  [
    "--detect-local-mode=NodeCIDR",
    "pods need not be told from others: nothing is masqueraded for where it comes from inside the cluster",
  ],
  [
    "--pod-bridge-interface=cni0",
    "pods need not be told from others: nothing is masqueraded for where it comes from inside the cluster",
  ],
  [
    "--pod-interface-name-prefix=veth",
    "pods need not be told from others: nothing is masqueraded for where it comes from inside the cluster",
  ],
  [
    "--cluster-cidr=10.244.0.0/16,fd00:10:244::/48",
    "pods need not be told from others: nothing is masqueraded for where it comes from inside the cluster",
  ],
  ["--oom-score-adj=-500", "the programs serve on when the agent is ended for its memory"],
  [
    "--conntrack-max-per-core=0",
    "no connection is looked up in nf_conntrack, whose limits stay the node's own",
  ],
  [
    "--conntrack-min=0",
    "no connection is looked up in nf_conntrack, whose limits stay the node's own",
  ],
  ["--conntrack-tcp-be-liberal", "no connection is held to its sequence numbers anyhow"],
  ["--config-sync-period=1m", "watches bring each change when it is made"],
  ["--healthz-port=10256", "the port is the one in the bind address"],
  ["--metrics-port=10249", "the port is the one in the bind address"],
];

/** What each of the others sets. */
const effective: readonly (readonly [string, object])[] = [
  ["--kubeconfig=/etc/k", { kubeconfig: "/etc/k" }],
  ["--master=https://10.0.0.1:6443", { server: "https://10.0.0.1:6443" }],
  ["--hostname-override=Node-2", { nodeName: "node-2" }],
  ["--bind-address=192.0.2.2", { nodeIp: ["192.0.2.2"] }],
  ["--bind-address=0.0.0.0", { nodeIp: [] }],
  [
    "--bind-address=::",
    {
      healthzBindAddress: { host: "::", port: 10256 },
      metricsBindAddress: { host: "::1", port: 10249 },
    },
  ],
  ["--healthz-bind-address=127.0.0.1:1", { healthzBindAddress: { host: "127.0.0.1", port: 1 } }],
  ["--healthz-bind-address=0.0.0.0", { healthzBindAddress: { host: "0.0.0.0", port: 10256 } }],
  ["--metrics-bind-address=0.0.0.0", { metricsBindAddress: { host: "0.0.0.0", port: 10249 } }],
  ["--healthz-port=0", { healthzBindAddress: undefined }],
  ["--metrics-port=0", { metricsBindAddress: undefined }],
  ["--nodeport-addresses=primary", { nodeportAddresses: { primary: true } }],
  ["--iptables-localhost-nodeports=false", { nodeportAddresses: { primary: true } }],
  ["--proxy-mode=iptables", { nodeportAddresses: { all: true, localhost: true } }],
  [
    "--proxy-mode=iptables --iptables-localhost-nodeports=false",
    { nodeportAddresses: { all: true, localhost: false } },
  ],
  ["--conntrack-tcp-timeout-established=1h", { tcpEstablishedTimeout: 3600 }],
  ["--conntrack-tcp-timeout-close-wait=1h0m0s", { tcpClosingTimeout: 3600 }],
  ["--conntrack-udp-timeout=10s", { udpTimeout: 10 }],
  ["--conntrack-udp-timeout-stream=0", { udpStreamTimeout: undefined }],
  ["-v=4", { logLevel: "debug" }],
  ["-v2", { logLevel: "info" }],
  ["--v 5", { logLevel: "debug" }],
  ["--logging-format=json", { logFormat: "json" }],
];

/** Tried further down. */
const others = ["config", "cleanup", "init-only", "write-config-to"];

describe("a flag of kube-proxy", () => {
  const nameOf = (flags: string): string => /^-+([a-z-]+)/.exec(flags)?.[1] ?? "";

  it("is tried here, each of them (KP-52)", () => {
    const tried = [...moot, ...effective].map(([flags]) => nameOf(flags));
    expect([...new Set([...tried, ...others])].toSorted()).toEqual(flagsOfKubeProxy);
  });

  it.each(moot)("is taken and said once to be in vain: %s (KP-52)", async (flag, reason) => {
    const { code, err, notes } = await start(flag);
    expect([code, err]).toEqual([0, ""]);
    expect(notes).toEqual([`info --${nameOf(flag)} changes nothing here: ${reason}`]);
  });

  it.each(effective)("means what it means there: %s (KP-52)", async (flags, settings) => {
    const { code, err, config } = await start(flags);
    expect([code, err]).toEqual([0, ""]);
    expect(config).toMatchObject(settings);
  });

  it.each([
    ["--masquerade-all=false", "--cluster-cidr=", "--feature-gates=", "--conntrack-udp-timeout=0s"],
    ["--oom-score-adj=-999", "--proxy-mode=", "--ipvs-exclude-cidrs=", "--hostname-override="],
  ])("changes and says nothing where it is its default: %s %s %s %s", async (...flags) => {
    const { code, config, notes } = await start(flags.join(" "));
    expect([code, notes]).toEqual([0, []]);
    expect(config).toEqual((await start("")).config);
  });

  it.each([
    ["--masquerade-all=maybe", '--masquerade-all: "maybe" is not valid; use true or false'],
    [
      "--conntrack-min=many",
      '--conntrack-min: "many" is not valid; use a whole number from 0 to 2147483647',
    ],
    [
      "--cluster-cidr=10.0.0.0/33",
      '--cluster-cidr: "10.0.0.0/33" is not valid; use one CIDR such as 10.244.0.0/16, or one of each family with a comma between',
    ],
    [
      "--proxy-mode=ipvs --ipvs-exclude-cidrs=10.0.0.0/8,x",
      '--ipvs-exclude-cidrs[1]: "x" is not valid; use a CIDR such as 192.168.1.0/24 or fd00::/8',
    ],
    [
      "--config-sync-period=5",
      '--config-sync-period: "5" is not valid; use a time of 0s or more, such as 30s, 15m or 24h0m0s',
    ],
    ["-v=x", '-v: "x" is not valid; use a whole number from 0 to 2147483647'],
    [
      "--hostname-override=Node_1",
      '--hostname-override: "node_1" is not valid; use the name of the Node: lower-case letters, digits, "-" and "."',
    ],
    ["--init-only=x", '--init-only: "x" is not valid; use true or false'],
  ])("ends with 2 and says what is right: %s", async (flag, message) => {
    const { code, err, config } = await start(flag);
    expect([code, err, config]).toEqual([2, `error: ${message}\n`, undefined]);
  });

  it("ends with 2 and tells of every wrong one at once", async () => {
    const { code, err } = await start("--proxy-mode=userspace --oom-score-adj=5000");
    expect([code, err]).toEqual([
      2,
      'error: --oom-score-adj: "5000" is not valid; use a whole number from -1000 to 1000\n' +
        'error: --proxy-mode: "userspace" is not valid; use one of iptables, ipvs, nftables\n',
    ]);
  });

  it("gives way to one of ours", async () => {
    const { config } = await start(
      "--hostname-override=theirs --node-name=ours -v=4 --log-level=warn",
    );
    expect(config).toMatchObject({ nodeName: "ours", logLevel: "warn" });
  });

  it("wins over a variable", async () => {
    const env = { SLUICE_NODE_NAME: "variable", SLUICE_LOG_LEVEL: "error" };
    const { config } = await start("--hostname-override=flag -v=4", "", env);
    expect(config).toMatchObject({ nodeName: "flag", logLevel: "debug" });
  });
});

describe("flags beside a KubeProxyConfiguration", () => {
  const file = kubeProxyFile(
    "hostnameOverride: file",
    "nodePortAddresses: [primary]",
    "healthzBindAddress: 127.0.0.1:1",
    "logging: {verbosity: 4}",
  );

  it("count where they name the node, the API server and the log (KP-52)", async () => {
    const flags = "--hostname-override=flag --master=http://10.0.0.1 -v=1 --logging-format=json";
    const { config, notes } = await start(`--config=/c.conf ${flags}`, file);
    expect(notes).toEqual([]);
    expect(config).toMatchObject({
      nodeName: "flag",
      server: "http://10.0.0.1",
      logLevel: "info",
      logFormat: "json",
    });
  });

  it("are ignored, and said to be, where a field of it stands for them (KP-52)", async () => {
    const flags =
      "--healthz-bind-address=127.0.0.1:2 --nodeport-addresses=all --kubeconfig=/k --cluster-cidr=x --metrics-port=0";
    const { code, config, notes } = await start(`--config=/c.conf ${flags}`, file);
    expect(code).toBe(0);
    expect(config).toMatchObject({
      kubeconfig: undefined,
      healthzBindAddress: { host: "127.0.0.1", port: 1 },
      metricsBindAddress: { host: "127.0.0.1", port: 10249 },
      nodeportAddresses: { primary: true, all: false },
    });
    const ignored = (flag: string, path: string) =>
      `warn ${flag} is ignored, as by kube-proxy: /c.conf is a KubeProxyConfiguration; set ${path} there`;
    expect(notes).toEqual([
      ignored("--kubeconfig", "clientConnection.kubeconfig"),
      ignored("--healthz-bind-address", "healthzBindAddress"),
      ignored("--cluster-cidr", "clusterCIDR"),
      ignored("--nodeport-addresses", "nodePortAddresses"),
      ignored("--metrics-port", "metricsBindAddress"),
    ]);
  });

  it("count where they are ours alone, and so do variables", async () => {
    const env = { SLUICE_HEALTHZ_BIND_ADDRESS: "127.0.0.1:3", SLUICE_CONFIG: "/c.conf" };
    const { config, notes } = await start("--max-flows=7 --fast-path=off", file, env);
    expect(notes).toEqual([]);
    expect(config).toMatchObject({
      nodeName: "file",
      maxFlows: 7,
      fastPath: "off",
      healthzBindAddress: { host: "127.0.0.1", port: 3 },
    });
  });

  it("count each beside a file of our own", async () => {
    const { config, notes } = await start(
      "--config=/c.conf --healthz-bind-address=127.0.0.1:2 --bind-address=192.0.2.1",
      "healthzBindAddress: 127.0.0.1:1\n",
    );
    expect(notes).toEqual([]);
    expect(config).toMatchObject({
      nodeIp: ["192.0.2.1"],
      healthzBindAddress: { host: "127.0.0.1", port: 2 },
    });
  });
});

describe("sluice agent", () => {
  it("only checks its settings with --init-only (KP-52)", async () => {
    for (const flag of ["--init-only", "--init-only=true"]) {
      expect(await start(flag)).toMatchObject({
        code: 0,
        config: undefined,
        err: "nothing is to be prepared: the agent does all of it at its start\n",
      });
    }
    expect((await start("--init-only=false")).config).toBeDefined();
    expect((await start("--init-only --max-flows=0")).code).toBe(2);
  });

  it("cleans up with --cleanup, as sluice cleanup does (KP-52)", async () => {
    const cleaned = await run("agent --cleanup --pin-path=/sys/fs/bpf/x", {
      fetchDebug: down,
    });
    expect(cleaned).toMatchObject({
      code: 0,
      out: "nothing to remove at /sys/fs/bpf/x\n",
      calls: ["clean up /sys/fs/bpf/x"],
    });
    expect((await start("--cleanup=false")).config).toBeDefined();
  });

  it("shows in its help those of kube-proxy's flags that do something, and takes the rest", async () => {
    const { out } = await run("agent --help");
    const shown = kubeProxyFlags.filter(({ name }) => new RegExp(`--${name} `).test(out));
    expect(shown.map(({ name }) => name)).toEqual([
      "kubeconfig",
      "logging-format",
      "v",
      "hostname-override",
      "bind-address",
      "healthz-bind-address",
      "metrics-bind-address",
      "iptables-localhost-nodeports",
      "nodeport-addresses",
      "conntrack-tcp-timeout-established",
      "conntrack-tcp-timeout-close-wait",
      "conntrack-udp-timeout",
      "conntrack-udp-timeout-stream",
    ]);
    expect(out).toContain("Every other flag of kube-proxy is taken, too");
  });
});
