import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { AgentUnreachable } from "../../agent/cli/error.ts";
import { services, status, web4, web6 } from "../serve/fixture.ts";
import { down, run } from "./fixture.ts";

/** Without the first line break and the common margin. */
const text = (literal: string) => literal.replace(/^\n/, "").replace(/^ {4}/gm, "").trimEnd();

describe("sluice service list", () => {
  it("prints one row for each Service port and family", async () => {
    const { code, out, err } = await run("service list");
    expect(out.trimEnd()).toBe(
      text(`
    NAMESPACE     NAME   PORT          FAMILY   FRONTENDS                                                               ENDPOINTS   CONNECTIONS   DATAGRAMS   REFUSED   DENIED
    kube-system   dns    53/UDP        IPv4     ClusterIP 10.96.0.53:53                                                 1           9             8           0         0
    shop          web    http:80/TCP   IPv4     ClusterIP 10.96.0.10:80, LoadBalancer 192.0.2.10:80, NodePort *:30080   2           71            72          73        76
    shop          web    http:80/TCP   IPv6     ClusterIP [fd00:96::a]:80                                               0           0             0           5         0
      `),
    );
    expect([code, err]).toEqual([0, ""]);
  });

  it("sorts by namespace and name, whatever order the agent has", async () => {
    const fetchDebug = async () => ({ status: 200, body: services.toReversed() });
    const { out } = await run("service list -o json", { fetchDebug });
    expect(JSON.parse(out)).toEqual(services);
  });

  it("prints one namespace only where one is asked for, as YAML that reads back", async () => {
    const { out } = await run("service list -n shop -o yaml");
    expect(parse(out)).toEqual([web4, web6]);
  });

  it("says so where there is nothing, and is done", async () => {
    expect(await run("service list -n none")).toMatchObject({
      code: 0,
      out: "",
      err: "no services in none\n",
    });
    expect(await run("service list -n none -o json")).toMatchObject({ code: 0, out: "[]\n" });
  });

  it("reads the pinned maps when the agent is dead, and notes it", async () => {
    const { code, out, err, calls } = await run("service list -n shop", { fetchDebug: down });
    expect(code).toBe(0);
    expect(out).toContain("10.96.0.10:80");
    expect(err).toBe(
      "note: no agent answers on /run/sluice/sluice.sock; this is what the maps in /sys/fs/bpf/sluice hold\n",
    );
    expect(calls).toEqual(["read pins /sys/fs/bpf/sluice"]);
  });

  it("fails where neither the agent nor the pins can be read", async () => {
    const readPinned = async () => {
      throw new Error("there are no maps");
    };
    expect(await run("service list", { fetchDebug: down, readPinned })).toMatchObject({
      code: 1,
      out: "",
      err: "error: no agent answers on /run/sluice/sluice.sock, and /sys/fs/bpf/sluice cannot be read: there are no maps\n",
    });
  });

  it("fails with what the agent answered where that is no list", async () => {
    const fetchDebug = async () => ({ status: 500, body: { error: "the maps are gone" } });
    for (const command of ["service list", "service get shop/web", "status"]) {
      expect(await run(command, { fetchDebug })).toMatchObject({
        code: 1,
        out: "",
        err: 'error: the agent answered 500: {"error":"the maps are gone"}\n',
      });
    }
  });

  it("does not take a closed door for a dead agent", async () => {
    const fetchDebug = async () => {
      throw new AgentUnreachable("forbidden", "/run/s.sock");
    };
    expect(await run("service list", { fetchDebug })).toMatchObject({
      code: 1,
      out: "",
      err: "error: the agent's socket /run/s.sock may not be opened; run as the agent's user\n",
      calls: [],
    });
  });
});

describe("sluice service get", () => {
  it("shows each port and family, which endpoints are selected, and the counters", async () => {
    const { code, out } = await run("service get shop/web");
    expect(code).toBe(0);
    expect(out.trimEnd()).toBe(
      text(`
    Service:        shop/web
    Port:           http:80/TCP IPv4, index 7
    Frontends:      ClusterIP 10.96.0.10:80, LoadBalancer 192.0.2.10:80 (source ranges), NodePort *:30080
    Source ranges:  198.51.100.0/24, 203.0.113.0/24
    Policy:         internal Local, external Cluster
    Algorithm:      random
    Affinity:       ClientIP for 10800 s
    Counters:       71 connections, 72 datagrams, 73 refused, 74 by affinity, 75 unremembered, 76 denied
    Packets:        77 requests (7800 bytes), 79 replies (8000 bytes)

    ENDPOINT         SELECTED FOR               STATE                  NODE    INDEX
    10.1.0.5:8080    cluster 33.3%, local 50%   ready                  this    3
    10.1.1.9:8080    cluster 66.7%              ready                  other   4
    10.1.1.10:8080   local 50%                  serving, terminating   other   5

    Service:    shop/web
    Port:       http:80/TCP IPv6, index 8
    Frontends:  ClusterIP [fd00:96::a]:80
    Policy:     internal Cluster, external Cluster
    Algorithm:  random
    Affinity:   none
    Counters:   0 connections, 0 datagrams, 5 refused, 0 by affinity, 0 unremembered, 0 denied
    Packets:    0 requests (0 bytes), 0 replies (0 bytes)

    No endpoint is eligible: connections are refused.
      `),
    );
  });

  it("prints the same as JSON", async () => {
    const { out } = await run("service get shop/web -o json");
    expect(JSON.parse(out)).toEqual([web4, web6]);
  });

  it("reads the pinned maps when the agent is dead", async () => {
    const { code, out, err } = await run("service get kube-system/dns", { fetchDebug: down });
    expect([code, err.slice(0, 5)]).toEqual([0, "note:"]);
    expect(out).toContain("Service:    kube-system/dns\n");
    expect(out).toContain("Algorithm:  maglev, 1 slot\n");
  });

  it("shows a ClusterIP that is left to the node, and to which device (PF-45)", async () => {
    const left = [{ address: "fd00:96::a", device: "nodelocaldns" }];
    const body = [{ ...web6, frontends: [], leftToNode: left }];
    const fetchDebug = async () => ({ status: 200, body });
    const { out } = await run("service get shop/web", { fetchDebug });
    expect(out.split("\n").slice(2, 4)).toEqual([
      "Frontends:         <none>",
      "Left to the node:  fd00:96::a, which device nodelocaldns has",
    ]);
  });

  it("says that no endpoint of this node is eligible where the policy is Local", async () => {
    const body = [{ ...web4, local: [] }];
    const { out } = await run("service get shop/web", {
      fetchDebug: async () => ({ status: 200, body }),
    });
    expect(out.split("\n").slice(10, -1)).toEqual([
      "ENDPOINT        SELECTED FOR    STATE   NODE    INDEX",
      "10.1.0.5:8080   cluster 33.3%   ready   this    3",
      "10.1.1.9:8080   cluster 66.7%   ready   other   4",
      "",
      "No endpoint on this node is eligible: connections are refused.",
    ]);
  });

  it("says that traffic from outside finds no endpoint where its policy is Local (KP-14)", async () => {
    const body = [{ ...web4, internalLocal: false, externalLocal: true, local: [] }];
    const fetchDebug = async () => ({ status: 200, body });
    const { out } = await run("service get shop/web", { fetchDebug });
    expect(out.split("\n").at(-2)).toBe(
      "No endpoint on this node is eligible: packets from outside are dropped.",
    );
    const inside = [{ ...body[0], frontends: web6.frontends }];
    const answer = async () => ({ status: 200, body: inside });
    expect((await run("service get shop/web", { fetchDebug: answer })).out).not.toContain(
      "dropped",
    );
  });

  it("says once where the names are from when the agent is dead and the Service unknown", async () => {
    expect(await run("service get shop/wep", { fetchDebug: down })).toMatchObject({
      code: 1,
      err:
        "note: no agent answers on /run/sluice/sluice.sock; this is what the maps in /sys/fs/bpf/sluice hold\n" +
        "error: there is no Service shop/wep; did you mean shop/web?\n",
    });
  });

  it.each([
    ["shop/wep", "there is no Service shop/wep; did you mean shop/web?"],
    ["show/web", "there is no Service show/web; did you mean shop/web?"],
    ["elsewhere/billing", 'there is no Service elsewhere/billing; see "sluice service list"'],
  ])("does not find %s, and lists what is close", async (reference, message) => {
    expect(await run(`service get ${reference}`)).toMatchObject({
      code: 1,
      out: "",
      err: `error: ${message}\n`,
    });
  });

  it.each(["web", "a/b/c", "/web"])("refuses %j as wrong usage", async (reference) => {
    expect(await run(`service get ${reference}`)).toMatchObject({
      code: 2,
      err: `error: "${reference}" names no Service; use NAMESPACE/NAME\n`,
    });
  });
});

describe("sluice status", () => {
  it("shows the whole, then a table of each kind of part", async () => {
    const { code, out, err } = await run("status");
    expect([code, err]).toEqual([0, ""]);
    expect(out.trimEnd()).toBe(
      text(`
    NOT READY    REASON
    listed       not listed yet: endpointslices (refused)
    programmed   shop/web:http/TCP/IPv4: the map is full

    Agent:          sluice 1.2.3, up 1h2m
    Node:           node-a, zone zone-1
    Kernel:         6.12.1
    Source:         kubernetes https://10.0.0.1:6443
    Pins:           /sys/fs/bpf/sluice
    Cgroup:         /sys/fs/cgroup
    Synced:         yes
    Programmed:     41 Service ports, 42 frontends, 43 backends
    Probe:          failed since 2026-01-02T04:05:00.000Z: IPv6: sluice_connect6 does not translate: there is no answer
    Published:      2026-01-02T04:06:01.000Z
    Latency:        p50 80 µs, p99 400 µs, max 900 µs
    Written:        51 frontends, 52 services, 53 slots, 54 backends, 55 names
    Stale sockets:  61 destroyed
    Audits:         72, the last 2026-01-02T04:05:30.000Z; mended: 73 in frontends
    Flows:          32 in use, room for 65536, swept in 37 ms
    Expired:        33 opening, 34 closing, 35 closed, 36 stream
    Flow timeouts:  TCP opening 2m, established 1d, closing 1m59s, closed 10s, UDP 30s, answered 1m58s
    SNAT ports:     61000-65535

    RESOURCE         SYNCED   OBJECTS   LISTS   LAST EVENT                 ERROR
    services         yes      21        3       2026-01-02T04:06:00.000Z
    endpointslices   no       22        1       never                      connection refused

    PROGRAM    ATTACHED   REASON
    connect4   yes
    connect6   no         IPv6 is disabled

    DEVICE   ROLE       PATH        ATTACHED   WHY
    eth0     external   neighbour   tcx        has a default route; skips the stack: no netfilter rule would be missed
    veth7    pod        peer        no         attachTcx sluice_from_pod to interface 9: EPERM

    FEATURE       STATE   REASON
    refusal       on      kernel 5.18 or later
    ring buffer   off     kernel before 5.8

    PACKETS            DEVICE   COUNT   BYTES
    new flow           eth0     38      3900
    dropped no route   eth0     39      4000

    MAP        ENTRIES   CAPACITY   FULL   MEMORY
    services   31        16384      0.2%   640 KiB

    NOT PROGRAMMED           SINCE                      RETRIES   REASON
    shop/web:http/TCP/IPv4   2026-01-02T04:00:00.000Z   7         the map frontends is full; raise --max-frontends

    LEFT TO THE NODE   SERVICE                REASON
    10.96.0.10         kube-system/kube-dns   device nodelocaldns has it: whoever listens there answers

    LEFT OUT   REASON
    shop/old   the Service has no ports; add spec.ports
    b.yaml     is no YAML
      `),
    );
  });

  it("prints the status as the agent gave it, as JSON and YAML", async () => {
    expect(JSON.parse((await run("status -o json")).out)).toEqual(status);
    expect(parse((await run("status -o yaml")).out)).toEqual(status);
  });

  it("says that the agent is down and what the pins hold, and fails", async () => {
    const { code, out } = await run("status", { fetchDebug: down });
    expect(code).toBe(1);
    expect(out).toBe(
      [
        "Agent:                       down: no agent answers on /run/sluice/sluice.sock\n",
        "Pins in /sys/fs/bpf/sluice:  3 Service ports, 5 frontends, 4 backends\n",
      ].join(""),
    );
  });

  it("says the same as JSON, and what keeps the pins from being read", async () => {
    const readPinned = async () => {
      throw new Error("there are no maps");
    };
    const { code, out } = await run("status -o json", { fetchDebug: down, readPinned });
    expect(code).toBe(1);
    expect(JSON.parse(out)).toEqual({
      agent: "down",
      reason: "no agent answers on /run/sluice/sluice.sock",
      pinPath: "/sys/fs/bpf/sluice",
      pinned: { error: "there are no maps" },
    });
  });

  it("asks and reads where flags, variables or a file say", async () => {
    const readFile = () => "pinPath: /file/pins\nsocketPath: /file/agent.sock\n";
    const byFlag = await run("--socket-path /a.sock status --pin-path /b", { fetchDebug: down });
    expect(byFlag.out).toContain("no agent answers on /a.sock");
    expect(byFlag.calls).toEqual(["read pins /b"]);
    const env = { SLUICE_CONFIG: "/etc/sluice.yaml", SLUICE_PIN_PATH: "/env/pins" };
    const byFile = await run("status", { fetchDebug: down, env, readFile });
    expect(byFile.out).toContain("no agent answers on /file/agent.sock");
    expect(byFile.calls).toEqual(["read pins /env/pins"]);
  });
});

describe("sluice cleanup", () => {
  const report = {
    removed: [
      { kind: "link", path: "/p/connect4" },
      { kind: "map", path: "/p/services" },
      { kind: "directory", path: "/p" },
    ],
    problems: [],
  } as const;

  it("prints exactly what it removed", async () => {
    const cleanup = async () => report;
    expect(await run("cleanup", { fetchDebug: down, cleanup })).toMatchObject({
      code: 0,
      out: "removed link /p/connect4\nremoved map /p/services\nremoved directory /p\n",
      err: "",
    });
    const { out } = await run("cleanup -o json", { fetchDebug: down, cleanup });
    expect(JSON.parse(out)).toEqual(report);
  });

  it("says where there was nothing", async () => {
    expect(await run("cleanup --pin-path /p", { fetchDebug: down })).toMatchObject({
      code: 0,
      out: "nothing to remove at /p\n",
      calls: ["clean up /p"],
    });
  });

  it("refuses while an agent answers, and removes nothing", async () => {
    expect(await run("cleanup")).toMatchObject({
      code: 1,
      out: "",
      err: "error: an agent answers on /run/sluice/sluice.sock; stop it first, or use --force\n",
      calls: [],
    });
  });

  it("refuses while an agent listens, though it does not answer", async () => {
    const fetchDebug = async () => {
      throw new AgentUnreachable("silent", "/run/s.sock");
    };
    expect(await run("cleanup", { fetchDebug })).toMatchObject({
      code: 1,
      err: "error: the agent on /run/s.sock takes questions but does not answer\n",
      calls: [],
    });
  });

  it("does it all the same when forced", async () => {
    expect(await run("cleanup --force")).toMatchObject({
      code: 0,
      calls: ["clean up /sys/fs/bpf/sluice"],
    });
  });

  it("fails where something could not be removed, and says what", async () => {
    const problems = [{ target: "/p/maps", message: "is in use" }];
    const cleanup = async () => ({ ...report, problems });
    expect(await run("cleanup", { fetchDebug: down, cleanup })).toMatchObject({
      code: 1,
      err: "error: /p/maps: is in use\n",
    });
  });
});

describe("sluice agent", () => {
  it("is run with the settings of flags, variables and file", async () => {
    const seen: unknown[] = [];
    const { code } = await run("agent --source directory:/srv --node-name n1 --pin-path /p", {
      env: { SLUICE_LOG_LEVEL: "debug", SLUICE_NODE_NAME: "n2" },
      runAgent: async (config) => {
        seen.push(config);
        return 0;
      },
    });
    expect(code).toBe(0);
    expect(seen).toMatchObject([
      {
        source: { kind: "directory", path: "/srv" },
        nodeName: "n1",
        pinPath: "/p",
        logLevel: "debug",
        healthzBindAddress: { host: "0.0.0.0", port: 10256 },
      },
    ]);
  });

  it("passes the agent's exit code on", async () => {
    expect((await run("agent", { runAgent: async () => 1 })).code).toBe(1);
  });

  it("says why it could not start, with the causes and without secrets", async () => {
    const runAgent = async () => {
      throw new Error("cannot attach", { cause: new Error("refused token=hunter2") });
    };
    expect(await run("agent", { runAgent })).toMatchObject({
      code: 1,
      err: "error: cannot attach: refused token=[redacted]\n",
    });
  });

  it("names flag and variable of each setting in its help", async () => {
    const { code, out } = await run("agent --help");
    expect(code).toBe(0);
    expect(out.replace(/\s+/g, " ")).toContain(
      "--healthz-bind-address <ADDRESS:PORT> address of /healthz, /livez and /readyz; " +
        '"off" for none (default: 0.0.0.0:10256, env: SLUICE_HEALTHZ_BIND_ADDRESS)',
    );
  });
});

describe("usage", () => {
  it.each(["status", "service list", "service get", "cleanup", "agent", "service", ""])(
    "%s --help prints help and is done",
    async (command) => {
      const { code, out, err } = await run(`${command} --help`);
      expect([code, err]).toEqual([0, ""]);
      expect(out).toMatch(new RegExp(`^Usage: sluice ?${command} `));
      expect(out).toContain("--socket-path <PATH>");
    },
  );

  it("prints the version", async () => {
    expect(await run("--version")).toMatchObject({ code: 0, out: "1.2.3\n" });
  });

  it.each(["", "service"])("sluice %s alone prints help as wrong usage", async (command) => {
    const { code, out, err } = await run(command);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain("Commands:");
  });

  it.each([
    ["staus", "error: unknown command 'staus'\n(Did you mean status?)\n"],
    ["status --pinpath /p", "error: unknown option '--pinpath'\n(Did you mean --pin-path?)\n"],
    ["service get", "error: missing required argument 'NAMESPACE/NAME'\n"],
    [
      "status -o xml",
      "error: option '-o, --output <FORMAT>' argument 'xml' is invalid. Allowed choices are table, json, yaml.\n",
    ],
    [
      "status extra",
      "error: too many arguments for 'status'. Expected 0 arguments but got 1: extra.\n",
    ],
    [
      "agent --log-level loud",
      'error: --log-level: "loud" is not valid; use one of error, warn, info, debug\n',
    ],
    ["status --socket-path s", 'error: --socket-path: "s" is not valid; use an absolute path\n'],
    [
      "status --config /none.yaml",
      "error: /none.yaml: cannot be read as YAML or JSON: ENOENT: no such file\n",
    ],
  ])("sluice %s is refused with exit code 2", async (command, message) => {
    expect(await run(command)).toMatchObject({ code: 2, out: "", err: message, calls: [] });
  });
});
