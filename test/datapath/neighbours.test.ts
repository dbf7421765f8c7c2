import { closeSync, constants, existsSync, openSync, readdirSync } from "node:fs";
import { mkdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import {
  type AttachType,
  attachCgroup,
  attachedPrograms,
  BpfLink,
  createMap,
  type LoadedObject,
  rawAttachProgram,
  rawDetachProgram,
  type Sharing,
} from "libbpf-ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bpfObjectPath } from "../../agent/assets.ts";
import { openDatapath } from "../../agent/datapath/open.ts";
import type { TestAgent } from "../harness/agent.ts";
import { command } from "../harness/command.ts";
import type { TestPod } from "../harness/pod.ts";
import { ask } from "./ask.ts";
import { loadForeign } from "./foreign.ts";
import { tcp, udp } from "./manifests.ts";
import { ServedNode } from "./served_node.ts";

const vip4 = "10.96.6.1";
const vip6 = "fd00:96::6:1";
const ports = [tcp(80, 8080), udp(80, 8080)];

describe("two agents on one kernel", () => {
  let a: ServedNode;
  let b: ServedNode;

  beforeAll(async () => {
    a = await ServedNode.start();
    b = await ServedNode.start({ network: a.network });
    for (const [served, name] of [[a, "one"] as const, [b, "two"] as const]) {
      const pod = await served.backend(name, { tcp: [8080], udp: [8080] });
      await served.publish({ name, ip4: vip4, ip6: vip6, ports, endpoints: [{ pod }] });
    }
  });
  afterAll(async () => {
    await b?.[Symbol.asyncDispose]();
    await a?.[Symbol.asyncDispose]();
  });

  it("serve one address by pods of their own, each for its own cgroup", async () => {
    for (const [served, backend] of [[a, "one"] as const, [b, "two"] as const]) {
      for (const site of [served.node, await served.node.makePod("client")]) {
        for (const protocol of ["tcp", "udp"] as const) {
          expect(await ask(site, protocol, vip4, 80)).toMatchObject({ backend });
          expect(await ask(site, protocol, vip6, 80)).toMatchObject({ backend });
        }
      }
    }
  });

  it("hold only what is theirs", async () => {
    const names = async (served: ServedNode) =>
      (await served.agent.services()).map(({ name, family, portName }) => [name, family, portName]);
    const held = (name: string) =>
      ["tcp-80", "udp-80"].flatMap((port) => [
        [name, "IPv4", port],
        [name, "IPv6", port],
      ]);
    expect((await names(a)).sort()).toEqual(held("one").sort());
    expect((await names(b)).sort()).toEqual(held("two").sort());
  });

  it("outlive each other's end and clean-up", async () => {
    await b.agent.stop();
    expect(await b.agent.run("cleanup")).toMatchObject({ code: 0 });
    expect(await ask(b.node, "udp", vip6, 80)).toBe("EACCES");
    expect(await ask(a.node, "udp", vip6, 80)).toMatchObject({ backend: "one" });
    await b.agent.begin();
    expect(await ask(b.node, "udp", vip6, 80)).toMatchObject({ backend: "two" });
  });
});

describe("beside programs of others on its cgroup (PF-05)", () => {
  let served: ServedNode;
  let client: TestPod;
  let agent: TestAgent;
  let foreign: LoadedObject;
  const foreignLinks: BpfLink[] = [];

  beforeAll(async () => {
    foreign = await loadForeign();
    served = await ServedNode.start();
    client = await served.node.makePod("client");
    const one = await served.backend("one", { tcp: [8080], udp: [8080] });
    await served.publish({ name: "web", ip4: vip4, ip6: vip6, ports, endpoints: [{ pod: one }] });
    // A second agent on the same cgroup would translate as well: this one starts after the others.
    await served.agent.stop();
    expect(await served.agent.run("cleanup")).toMatchObject({ code: 0 });
    agent = served.agent;
  });
  afterAll(async () => {
    for (const link of foreignLinks) link.close();
    foreign?.close();
    await served?.[Symbol.asyncDispose]();
  });

  const attach = () =>
    foreignLinks.push(
      attachCgroup(foreign.program("foreign_connect4"), served.node.cgroup, "cgroup_inet4_connect"),
      attachCgroup(
        foreign.program("foreign_getpeername4"),
        served.node.cgroup,
        "cgroup_inet4_getpeername",
      ),
    );
  const attached = (type: AttachType) => attachedTo(served.node.cgroup, type);
  const ids = () => ({
    connect: foreign.program("foreign_connect4").info.id,
    getpeername: foreign.program("foreign_getpeername4").info.id,
  });
  const foreignRuns = () =>
    new DataView(
      (foreign.map("runs").lookup(new Uint8Array(4)) ?? new Uint8Array(8)).buffer,
    ).getBigUint64(0, true);

  it("attaches, restarts and is removed without touching one of them", async () => {
    attach();
    const { connect, getpeername } = ids();
    expect(attached("cgroup_inet4_connect")).toEqual([connect]);

    await agent.begin();
    expect(attached("cgroup_inet4_connect")).toEqual([connect, expect.any(Number)]);
    attach();
    expect(attached("cgroup_inet4_connect")).toEqual([connect, expect.any(Number), connect]);
    expect(attached("cgroup_inet4_getpeername")).toEqual([
      getpeername,
      expect.any(Number),
      getpeername,
    ]);
    const before = foreignRuns();
    expect(await ask(client, "tcp", vip4, 80)).toEqual({ backend: "one", peer: `${vip4}:80` });
    expect(foreignRuns()).toBe(before + 4n);

    await agent.kill();
    await agent.begin();
    expect(attached("cgroup_inet4_connect")).toEqual([connect, expect.any(Number), connect]);
    expect(await ask(client, "tcp", vip4, 80)).toEqual({ backend: "one", peer: `${vip4}:80` });

    await agent.stop();
    expect(await agent.run("cleanup")).toMatchObject({ code: 0 });
    expect(attached("cgroup_inet4_connect")).toEqual([connect, connect]);
    expect(attached("cgroup_inet4_getpeername")).toEqual([getpeername, getpeername]);
    expect(await ask(client, "udp", vip6, 80)).toBe("EACCES");
  });

  it("lives with a program that bpftool attached the older way", async () => {
    const pin = join("/sys/fs/bpf", `${agent.pinPath.split("/").at(-1)}-older`);
    foreign.program("foreign_connect4").pin(pin);
    const attachment = ["connect4", "pinned", pin];
    await command("bpftool", ["cgroup", "attach", served.node.cgroup, ...attachment, "multi"]);
    try {
      const held = attached("cgroup_inet4_connect");
      await agent.begin();
      expect(attached("cgroup_inet4_connect")).toEqual([...held, expect.any(Number)]);
      expect(await ask(client, "tcp", vip4, 80)).toMatchObject({ backend: "one" });
      await agent.stop();
      await agent.run("cleanup");
      expect(attached("cgroup_inet4_connect")).toEqual(held);
    } finally {
      await command("bpftool", ["cgroup", "detach", served.node.cgroup, ...attachment]);
      await rm(pin);
    }
  });

  it("refuses to clean up under a running agent, and does so when forced", async () => {
    await agent.begin();
    const refused = await agent.run("cleanup");
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("stop it first, or use --force");
    expect(await ask(client, "tcp", vip4, 80)).toMatchObject({ backend: "one" });
    expect(await agent.run("cleanup", "--force")).toMatchObject({ code: 0 });
    expect(await ask(client, "udp", vip6, 80)).toBe("EACCES");
    await agent.stop();
    expect(existsSync(agent.pinPath)).toBe(false);
  });

  it("leaves pins of others alone when it cleans up, and says so", async () => {
    await agent.begin();
    await agent.stop();
    const theirs = join(agent.pinPath, "maps", "theirs");
    using map = createMap({ type: "array", keySize: 4, valueSize: 8, maxEntries: 1 });
    map.pin(theirs);
    const { code, stdout, stderr } = await agent.run("cleanup");
    expect(code).not.toBe(0);
    expect(stderr).toContain(`${theirs}: not one of sluice's pins: left alone`);
    expect(stdout).toContain(`removed link ${join(agent.pinPath, "links/sluice_connect4")}`);
    expect(readdirSync(join(agent.pinPath, "maps"))).toEqual(["theirs"]);
    expect(existsSync(join(agent.pinPath, "links"))).toBe(false);
    await command("rm", ["-r", agent.pinPath]);
    expect(await agent.run("cleanup")).toMatchObject({
      code: 0,
      stdout: `nothing to remove at ${agent.pinPath}\n`,
    });
  });
});

describe("beside a program that allows no others (PF-05)", () => {
  const connect4 = "cgroup_inet4_connect";
  const hooks = ["cgroup_inet_sock_release", "cgroup_inet4_getpeername", connect4] as const;
  let served: ServedNode;
  let client: TestPod;
  let foreign: LoadedObject;
  let below: string;

  beforeAll(async () => {
    foreign = await loadForeign();
    served = await ServedNode.start();
    client = await served.node.makePod("client");
    const one = await served.backend("one", { tcp: [8080], udp: [8080] });
    await served.publish({ name: "web", ip4: vip4, ip6: vip6, ports, endpoints: [{ pod: one }] });
    await served.agent.stop();
    below = join(served.node.cgroup, "below");
    await mkdir(below);
  });
  afterAll(async () => {
    foreign?.close();
    await rmdir(below);
    await served?.[Symbol.asyncDispose]();
  });

  const occupy = (cgroup: string, sharing: Sharing) => {
    const program = foreign.program("foreign_connect4");
    rawAttachProgram(program, cgroup, connect4, sharing);
    const { id } = program.info;
    return { id, [Symbol.dispose]: () => rawDetachProgram(program, cgroup, connect4) };
  };
  const open = (cgroupPath: string) => {
    const { pinPath } = served.agent;
    openDatapath({ objectPath: bpfObjectPath("sock"), pinPath, cgroupPath, sizes: {} }).close();
  };
  const cleanUp = async () => expect(await served.agent.run("cleanup")).toMatchObject({ code: 0 });
  const links = () => join(served.agent.pinPath, "links");
  const refusal = (cgroup: string) =>
    expect.objectContaining({
      code: "attach",
      operation: "attach programs",
      target: cgroup,
      message: `cgroup_inet4_connect of ${cgroup} is taken: a program that is attached there, or to a cgroup above, allows no others. "bpftool cgroup tree" shows it: have its owner attach it with BPF_F_ALLOW_MULTI or detach it, or name a cgroup outside of its own with --cgroup-path`,
    });

  it("leaves the other cgroup served that it was to leave for this one", async () => {
    await served.agent.begin();
    await served.agent.stop();
    using neighbour = occupy(below, "none");
    const before = programsOf(links());
    expect(before).toHaveLength(9);
    expect(() => open(below)).toThrow(refusal(below));
    expect(programsOf(links())).toEqual(before);
    expect(hooks.map((hook) => attachedTo(below, hook))).toEqual([[], [], [neighbour.id]]);
    expect(await ask(client, "tcp", vip4, 80)).toMatchObject({ backend: "one" });
    await cleanUp();
  });

  it.each(["none", "override"] as const)(
    'attaches none of its programs beside "%s", and serves once that is gone',
    async (sharing) => {
      const { cgroup } = served.node;
      {
        using neighbour = occupy(cgroup, sharing);
        expect(() => open(cgroup)).toThrow(refusal(cgroup));
        expect(hooks.map((hook) => attachedTo(cgroup, hook))).toEqual([[], [], [neighbour.id]]);
        expect(readdirSync(links())).toEqual([]);
      }
      await served.agent.begin();
      expect(await ask(client, "tcp", vip4, 80)).toMatchObject({ backend: "one" });
      await served.agent.stop();
      await cleanUp();
    },
  );

  it("attaches below one that lets itself be overridden, and below no other", async () => {
    {
      using _above = occupy(served.node.cgroup, "none");
      expect(() => open(below)).toThrow(refusal(below));
    }
    using _above = occupy(served.node.cgroup, "override");
    open(below);
    expect(attachedTo(below, connect4)).toEqual([expect.any(Number)]);
    await cleanUp();
  });

  it("moves all of its programs where it is told another cgroup", async () => {
    open(served.node.cgroup);
    open(below);
    expect(hooks.map((hook) => attachedTo(below, hook).length)).toEqual([1, 1, 1]);
    expect(hooks.map((hook) => attachedTo(served.node.cgroup, hook))).toEqual([[], [], []]);
    await cleanUp();
  });

  it("takes down what it has attached and pinned where a later link cannot be pinned", async () => {
    open(served.node.cgroup);
    const last = join(links(), "sluice_connect6");
    // The kernel lets nobody remove a file that something is mounted on.
    await command("mount", ["--bind", last, last]);
    try {
      expect(() => open(below)).toThrow(
        expect.objectContaining({
          code: "attach",
          message: `sluice_connect6 cannot be attached to cgroup_inet6_connect of ${below}: EBUSY: resource busy or locked, unlink '${last}'`,
        }),
      );
      expect(readdirSync(links())).toEqual(["sluice_connect6"]);
      expect(hooks.map((hook) => attachedTo(below, hook))).toEqual([[], [], []]);
    } finally {
      await command("umount", [last]);
    }
    await cleanUp();
  });
});

function attachedTo(cgroup: string, type: AttachType): number[] {
  const fd = openSync(cgroup, constants.O_RDONLY);
  try {
    return attachedPrograms(fd, type);
  } finally {
    closeSync(fd);
  }
}

/** Those at the cgroup; names of links to devices end in a number. */
function programsOf(links: string): readonly (readonly [string, number])[] {
  const names = readdirSync(links).filter((name) => !/-\d+$/.test(name));
  return names.map((name) => {
    using link = BpfLink.openPinned(join(links, name));
    return [name, link.info.programId] as const;
  });
}
