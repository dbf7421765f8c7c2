import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openObject, rawAttachProgram, rawDetachProgram } from "libbpf-ts";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { bpfObjectPath } from "../../agent/assets.ts";
import { TestAgent } from "../harness/agent.ts";
import { bpffs, ownPrefix } from "../harness/leftovers.ts";
import { program } from "../harness/programs.ts";
import { BadInputNode, errorsOf, said } from "./bad_input_node.ts";

const main = join(import.meta.dirname, "../../agent/main.ts");

let bad: BadInputNode;
beforeAll(async () => {
  bad = await BadInputNode.create();
});
afterAll(() => bad?.[Symbol.asyncDispose]());

describe("an agent that cannot start", () => {
  let agent: TestAgent;
  afterEach(() => agent?.[Symbol.asyncDispose]());

  const capabilities = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", "--"] as const;
  const cases: {
    name: string;
    flags?: string[];
    command?: readonly [string, ...string[]];
    message: string;
  }[] = [
    {
      name: "names --cgroup-path when the cgroup is missing",
      flags: ["--cgroup-path=/sys/fs/cgroup/sluice-t-none"],
      message:
        "/sys/fs/cgroup/sluice-t-none does not exist: name a cgroup2 directory with --cgroup-path",
    },
    {
      name: "says how to find a cgroup2 directory when the path is none",
      flags: ["--cgroup-path=/tmp"],
      message:
        '/tmp is not in a cgroup2 hierarchy: find one by "grep cgroup2 /proc/mounts" and name it with --cgroup-path',
    },
    {
      name: "says how to mount a bpf file system when the pins are not on one",
      flags: ["--pin-path=/tmp/sluice-t-none"],
      message:
        '/tmp/sluice-t-none is not on a bpf file system: run "mount -t bpf bpf /sys/fs/bpf", or name a place on one with --pin-path',
    },
    {
      name: "names the capabilities when it lacks them",
      command: [...capabilities, process.execPath, main],
      message:
        "the kernel refuses to load eBPF programs: run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON (before Linux 5.11 with CAP_SYS_RESOURCE too)",
    },
  ];
  for (const { name, message, ...options } of cases) {
    it(name, async () => {
      agent = await TestAgent.prepare({ node: bad.node, source: { folder: tmpdir() }, ...options });
      const child = agent.launch();
      expect(await child.exited).toEqual({ code: 1, signal: null });
      expect(errorsOf(child)).toEqual([message]);
    });
  }

  it("says how to mount cgroup2 where none is mounted and none is named", async () => {
    const unmounted = 'umount --all --types cgroup2 && exec "$@"';
    const command = [process.execPath, main, "agent", "--node-name=a"];
    const flags = [`--source=directory:${tmpdir()}`, `--pin-path=${join(bpffs, `${ownPrefix}no`)}`];
    const wrapped = ["--mount", "sh", "-c", unmounted, "sh", ...command, ...flags];
    await using child = bad.node.start("unshare", wrapped);
    expect(await child.exited).toEqual({ code: 1, signal: null });
    expect(errorsOf(child)).toEqual([
      'no cgroup2 file system is mounted: run "mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified", or name one with --cgroup-path',
    ]);
  });

  it("names the hook that a program of somebody else has for itself alone (PF-05)", async () => {
    using theirs = openObject(bpfObjectPath("sock")).load();
    const hook = [bad.node.cgroup, "cgroup_udp6_sendmsg"] as const;
    rawAttachProgram(theirs.program("sluice_sendmsg6"), ...hook, "none");
    agent = await TestAgent.prepare({ node: bad.node, source: { folder: tmpdir() } });
    const child = agent.launch();
    const exit = await child.exited;
    rawDetachProgram(theirs.program("sluice_sendmsg6"), ...hook);
    expect(exit).toEqual({ code: 1, signal: null });
    expect(errorsOf(child)).toEqual([
      `cgroup_udp6_sendmsg of ${bad.node.cgroup} is taken: a program that is attached there, or to a cgroup above, allows no others. "bpftool cgroup tree" shows it: have its owner attach it with BPF_F_ALLOW_MULTI or detach it, or name a cgroup outside of its own with --cgroup-path`,
    ]);
  });

  it("tells another user than root to run as root", async () => {
    // Without a mapping every id is the overflow id, and the files can be read all the same.
    agent = await TestAgent.prepare({
      node: bad.node,
      source: { folder: tmpdir() },
      command: ["unshare", "--user", process.execPath, main],
    });
    const child = agent.launch();
    expect(await child.exited).toEqual({ code: 1, signal: null });
    expect(errorsOf(child)[0]).toMatch(/run as root|run the agent as root/);
  });
});

describe("an agent with the capabilities that the message names", () => {
  it("serves without any other", async () => {
    const folder = await bad.folderOf({ "a.yaml": bad.right("capable", "10.96.3.1") });
    const few = "-all,+bpf,+net_admin,+perfmon";
    await using agent = await TestAgent.start({
      node: bad.node,
      source: { folder },
      command: [
        "setpriv",
        "--inh-caps=-all",
        `--bounding-set=${few}`,
        "--",
        process.execPath,
        main,
      ],
    });
    expect(agent.pid).toBeGreaterThan(0);
    expect(await bad.ask("10.96.3.1")).toBe("web");
  });
});

describe("a place that is taken", () => {
  it("is left to the agent that has it: the second one ends and touches nothing", async () => {
    const folder = await bad.folderOf({ "a.yaml": bad.right("first", "10.96.6.1") });
    await using first = await TestAgent.start({ node: bad.node, source: { folder } });
    await using second = await TestAgent.prepare({
      node: bad.node,
      source: { folder },
      flags: [`--socket-path=${first.socketPath}`],
    });
    const child = second.launch();
    expect(await child.exited).toEqual({ code: 1, signal: null });
    expect(errorsOf(child)).toEqual([
      `${first.socketPath}: another agent answers here; stop it, or give this one a --socket-path and a --pin-path of its own`,
    ]);
    expect(existsSync(second.pinPath)).toBe(false);
    expect((await first.status()).sync.ready).toBe(true);
    expect(await bad.ask("10.96.6.1")).toBe("web");
  });

  it("is only waited for where it is the health or metrics port (PF-41)", async () => {
    const squatter = bad.node.start(await program("podserver"), [
      "squatter",
      "tcp:10256",
      "tcp:10249",
    ]);
    await squatter.printed("ready\n");
    const folder = await bad.folderOf({ "a.yaml": bad.right("unprobed", "10.96.6.2") });
    await using agent = await TestAgent.start({ node: bad.node, source: { folder } });
    expect(agent.log).toContain("health cannot be served yet; retrying");
    expect(agent.log).toContain("metrics cannot be served yet; retrying");
    expect(agent.log).toContain("EADDRINUSE");
    expect(await bad.ask("10.96.6.2")).toBe("web");
    await squatter.stop("SIGKILL");
  });
});

describe("an API server that cannot be reached", () => {
  const kubeconfig = `\
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: u, user: {}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`;
  const cases: { name: string; files: Record<string, string>; path?: string; message: string }[] = [
    {
      name: "is asked again and again",
      files: { "kube.conf": kubeconfig },
      message:
        "connect ECONNREFUSED 127.0.0.1:9; check that the API server runs and that its address is right",
    },
    {
      name: "is not known without a kubeconfig, which is waited for",
      files: {},
      message: "kube.conf'; check the paths of the kubeconfig and in it",
    },
    {
      name: "is not known where the kubeconfig is a directory, which is waited for",
      files: {},
      path: ".",
      message:
        "EISDIR: illegal operation on a directory, read; check the paths of the kubeconfig and in it",
    },
  ];
  for (const { name, files, path = "kube.conf", message } of cases) {
    it(`${name}, while all that stood stays at work and the agent answers (PF-02)`, async () => {
      const folder = await bad.folderOf({ "a.yaml": bad.right("standing", "10.96.5.1") });
      await using before = await TestAgent.start({ node: bad.node, source: { folder } });
      await before.stop();
      const place = await bad.folderOf(files);
      await using agent = await TestAgent.prepare({
        node: bad.node,
        source: { folder },
        flags: [
          "--source=kubernetes",
          `--kubeconfig=${join(place, path)}`,
          `--pin-path=${before.pinPath}`,
        ],
      });
      const child = agent.launch();
      await said(child, `cannot list nodes`);
      const { sync, source } = await agent.status();
      expect(sync).toMatchObject({ ready: false, services: 1 });
      expect(source.resources.map(({ error }) => error)).toEqual(
        ["services", "endpointslices", "nodes", "servicecidrs", "foreignservices"].map((resource) =>
          expect.stringMatching(new RegExp(`^cannot list ${resource}: .*${message}$`)),
        ),
      );
      expect(await bad.probe("livez")).toBe(200);
      expect(await bad.probe("healthz")).toBe(503);
      expect(await bad.ask("10.96.5.1")).toBe("web");
      expect(child.exit).toBeUndefined();
    });
  }
});
