import { describe, expect, it } from "vitest";
import { findCgroup2 } from "../../agent/config/cgroup.ts";
import { isConfigError } from "../../agent/config/error.ts";
import { parseBindAddress } from "../../agent/config/parse.ts";
import { type ConfigInput, resolveConfig } from "../../agent/config/resolve.ts";
import { flagOf, settingKeys, variableOf } from "../../agent/config/settings.ts";

const resolve = (input: Partial<ConfigInput> & { file?: string }) =>
  resolveConfig({
    flags: {},
    env: {},
    readFile: () => {
      if (input.file === undefined) throw new Error("ENOENT: no such file");
      return input.file;
    },
    ...input,
  });

const messageOf = (input: Parameters<typeof resolve>[0]): string => {
  try {
    resolve(input);
  } catch (error) {
    if (isConfigError(error)) return error.message;
    throw error;
  }
  throw new Error("the settings were taken");
};

describe("resolveConfig", () => {
  it("has a default for everything that a node needs", () => {
    const { nodeName, ...rest } = resolve({});
    expect(nodeName).toMatch(/^[a-z0-9.-]+$/);
    expect(rest).toEqual({
      source: { kind: "kubernetes" },
      nodeIp: [],
      kubeconfig: undefined,
      server: undefined,
      cgroupPath: undefined,
      pinPath: "/sys/fs/bpf/sluice",
      socketPath: "/run/sluice/sluice.sock",
      healthzBindAddress: { host: "0.0.0.0", port: 10256 },
      metricsBindAddress: { host: "127.0.0.1", port: 10249 },
      devices: { kind: "auto" },
      podDevices: { kind: "auto" },
      nodeportAddresses: { primary: true, all: false, localhost: false, prefixes: [] },
      clusterIpFromOutside: false,
      snatPortRange: "auto",
      fastPath: "auto",
      maglevTableSize: 16381,
      auditPeriod: 600,
      logLevel: "info",
      logFormat: "auto",
      maxServices: 16384,
      maxFrontends: 65536,
      maxEndpoints: 262144,
      maxSlots: 524288,
      maxAffinities: 65536,
      maxSourceRanges: 65536,
      maxFlows: 65536,
    });
  });

  it("prefers a flag to a variable, a variable to the file, the file to the default", () => {
    const file = "nodeName: from-file\n";
    const env = { SLUICE_NODE_NAME: "from-env", SLUICE_CONFIG: "/etc/sluice.yaml" };
    expect(resolve({ env: { SLUICE_CONFIG: "/etc/sluice.yaml" }, file }).nodeName).toBe(
      "from-file",
    );
    expect(resolve({ env, file }).nodeName).toBe("from-env");
    expect(resolve({ env, file, flags: { nodeName: "from-flag" } }).nodeName).toBe("from-flag");
  });

  it("takes a file in YAML or JSON, with numbers as numbers", () => {
    const flags = { config: "/etc/sluice.yaml" };
    const yaml = "source: directory:/srv/services\nmaxServices: 100\nhealthzBindAddress: off\n";
    expect(resolve({ flags, file: yaml })).toMatchObject({
      source: { kind: "directory", path: "/srv/services" },
      maxServices: 100,
      healthzBindAddress: undefined,
    });
    expect(resolve({ flags, file: '{"logLevel": "debug"}' }).logLevel).toBe("debug");
    expect(resolve({ flags, file: "" }).logLevel).toBe("info");
  });

  it("takes the settings of the per-packet path", () => {
    const file = [
      "devices: eth0, wg*",
      "podDevices: off",
      "nodeportAddresses: 192.168.0.0/16,fd00::/8,localhost",
      "clusterIpFromOutside: true",
      "snatPortRange: 20000-29999",
      "fastPath: off",
      "maglevTableSize: 251",
      "maxFlows: 1000",
    ];
    const flags = { config: "/etc/sluice.yaml" };
    const { nodeportAddresses, ...rest } = resolve({ flags, file: file.join("\n") });
    expect(rest).toMatchObject({
      devices: { kind: "named", patterns: ["eth0", "wg*"] },
      podDevices: { kind: "off" },
      clusterIpFromOutside: true,
      snatPortRange: { first: 20000, last: 29999 },
      fastPath: "off",
      maglevTableSize: 251,
      maxFlows: 1000,
    });
    expect(nodeportAddresses).toMatchObject({ primary: false, all: false, localhost: true });
    expect(nodeportAddresses.prefixes.map(({ family, bits }) => [family, bits])).toEqual([
      ["IPv4", 112],
      ["IPv6", 8],
    ]);
  });

  it("derives flag and variable from the key", () => {
    expect(settingKeys.slice(0, 8).map((key) => [flagOf(key), variableOf(key)])).toEqual([
      ["--source", "SLUICE_SOURCE"],
      ["--node-name", "SLUICE_NODE_NAME"],
      ["--node-ip", "SLUICE_NODE_IP"],
      ["--kubeconfig", "SLUICE_KUBECONFIG"],
      ["--server", "SLUICE_SERVER"],
      ["--cgroup-path", "SLUICE_CGROUP_PATH"],
      ["--pin-path", "SLUICE_PIN_PATH"],
      ["--socket-path", "SLUICE_SOCKET_PATH"],
    ]);
  });

  it.each([
    [
      { flags: { source: "consul" } },
      '--source: "consul" is not valid; use "kubernetes" or "directory:PATH"',
    ],
    [
      { flags: { source: "directory:" } },
      '--source: "directory:" is not valid; use "kubernetes" or "directory:PATH"',
    ],
    [
      { env: { SLUICE_LOG_LEVEL: "verbose" } },
      'SLUICE_LOG_LEVEL: "verbose" is not valid; use one of error, warn, info, debug',
    ],
    [
      { flags: { metricsBindAddress: "::1:99" } },
      '--metrics-bind-address: "::1:99" is not valid; use IP:PORT, [IPv6]:PORT or :PORT, or "off" for no server',
    ],
    [
      { flags: { maxServices: "0" } },
      '--max-services: "0" is not valid; use a whole number from 1 to 16777216',
    ],
    [
      { flags: { nodeName: "Node_1" } },
      '--node-name: "Node_1" is not valid; use the name of the Node: lower-case letters, digits, "-" and "."',
    ],
    [{ flags: { pinPath: "pins" } }, '--pin-path: "pins" is not valid; use an absolute path'],
    [
      { flags: { server: "10.0.0.1:6443" } },
      '--server: "10.0.0.1:6443" is not valid; use the URL of an API server, such as https://10.0.0.1:6443',
    ],
    [
      { flags: { devices: "eth0,bad name" } },
      '--devices: "eth0,bad name" is not valid; use "auto", or names of devices separated by commas, in which * and ? stand for any',
    ],
    [
      { flags: { devices: "off" }, env: { SLUICE_POD_DEVICES: "" } },
      'SLUICE_POD_DEVICES: "" is not valid; use "auto", or names of devices separated by commas, in which * and ? stand for any',
    ],
    [
      { flags: { nodeportAddresses: "primary,10.0.0.1" } },
      '--nodeport-addresses: "10.0.0.1" is not valid; use "primary", "all", "localhost" or a CIDR such as 192.168.1.0/24',
    ],
    [
      { flags: { nodeportAddresses: "10.0.0.1/8" } },
      '--nodeport-addresses: "10.0.0.1/8" is not valid; use "primary", "all", "localhost" or a CIDR such as 192.168.1.0/24',
    ],
    [
      { flags: { snatPortRange: "2000-1000" } },
      '--snat-port-range: "2000-1000" is not valid; use "auto" or FIRST-LAST, from 1 to 65535',
    ],
    [
      { flags: { clusterIpFromOutside: "yes" } },
      '--cluster-ip-from-outside: "yes" is not valid; use true or false',
    ],
    [
      { flags: { maglevTableSize: "16384" } },
      '--maglev-table-size: "16384" is not valid; use one of 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071',
    ],
    [
      { flags: { nodeIp: "10.0.0.1,10.0.0.2" } },
      '--node-ip: "10.0.0.1,10.0.0.2" is not valid; use an IP address, or one of each family with a comma between',
    ],
    [
      { flags: { config: "/c.yaml" }, file: "node-name: a" },
      '/c.yaml: there is no setting "node-name"; use "nodeName"',
    ],
    [
      { flags: { config: "/c.yaml" }, file: "logLevel: loud" },
      '/c.yaml: logLevel: "loud" is not valid; use one of error, warn, info, debug',
    ],
    [
      { flags: { config: "/c.yaml" }, file: "logLevel: [info]" },
      "/c.yaml: logLevel: is neither text nor a number nor true or false",
    ],
    [
      { flags: { config: "/c.yaml" }, file: "- logLevel" },
      "/c.yaml: the file is no mapping; use lines of KEY: VALUE",
    ],
    [
      { flags: { config: "/c.yaml" } },
      "/c.yaml: cannot be read as YAML or JSON: ENOENT: no such file",
    ],
  ])("refuses %j in one line that says what would be right", (input, message) => {
    expect(messageOf(input)).toBe(message);
  });

  it("names every setting when an unknown key is close to none", () => {
    const message = messageOf({ flags: { config: "/c.yaml" }, file: "zzzzzzzz: 1" });
    expect(message).toMatch(
      /^\/c\.yaml: there is no setting "zzzzzzzz"; use one of source, nodeName, /,
    );
  });

  it("refuses a socket path that the kernel would cut off", () => {
    const flags = { socketPath: `/run/${"s".repeat(103)}` };
    expect(messageOf({ flags })).toMatch(/use a path of at most 107 bytes$/);
  });
});

describe("parseBindAddress", () => {
  it.each([
    ["0.0.0.0:10256", { host: "0.0.0.0", port: 10256 }],
    ["[::]:10256", { host: "::", port: 10256 }],
    ["[fd00::1]:0", { host: "fd00::1", port: 0 }],
    [":9000", { host: "", port: 9000 }],
    ["localhost:80", { host: "localhost", port: 80 }],
    ["", undefined],
    ["off", undefined],
  ])("reads %j", (text, expected) => {
    expect(parseBindAddress(text)).toEqual(expected);
  });

  it.each(["10256", "0.0.0.0:65536", "[1.2.3.4]:80", "[::1]", "host:80", "1.2.3.4:x"])(
    "refuses %j",
    (text) => {
      expect(() => parseBindAddress(text)).toThrow("is not valid");
    },
  );
});

describe("findCgroup2", () => {
  it("finds the cgroup2 mount among others, unescaping its path", () => {
    const mounts = [
      "sysfs /sys sysfs rw 0 0",
      "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0",
      "cgroup2 /sys/fs/cgroup/uni\\040fied cgroup2 rw 0 0",
      "cgroup2 /other cgroup2 rw 0 0",
    ];
    expect(findCgroup2(mounts.join("\n"))).toBe("/sys/fs/cgroup/uni fied");
  });

  it("finds nothing where none is mounted", () => {
    expect(findCgroup2("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n")).toBeUndefined();
  });
});
