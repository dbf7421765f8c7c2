import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const script = join(import.meta.dirname, "../setup.sh");
const isRoot = process.getuid?.() === 0;
const asRoot = isRoot ? [] : ["unshare", "--map-root-user"];
const asNobody = isRoot ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];

/** What shows that the packages are there; the headers among them are the machine's own. */
const tools = ["clang", "make", "g++", "ip", "nsenter"];

describe("test/setup.sh", () => {
  let folder: string;
  let bin: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "sluice-setup-"));
    bin = join(folder, "bin");
    for (const path of [bin, join(folder, "test")]) mkdirSync(path);
    // A copy: what it would install and build is not this checkout.
    copyFileSync(script, join(folder, "test/setup.sh"));
    chmodSync(folder, 0o755);
    for (const name of ["dirname", "id", "uname"]) tool(name, `exec /usr/bin/${name} "$@"`);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const tool = (name: string, body: string) =>
    writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });

  /** Nothing is found on the PATH but the tools that were made. */
  const run = ([...prefix]: readonly string[]) => {
    const line = [...prefix, "env", `PATH=${bin}`, "/bin/sh", join(folder, "test/setup.sh")];
    const [command = "", ...args] = line;
    const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
    return { status, stdout, stderr };
  };
  const having = (...names: readonly string[]) => {
    for (const name of names) tool(name, `echo "${name} $*"; exit 3`);
  };

  it("ends with 1 and asks for root where it is run by another", () => {
    expect(run(asNobody)).toEqual({
      status: 1,
      stdout: "",
      stderr: "setup: root is needed: programs are loaded and namespaces made; run it with sudo\n",
    });
  });

  it("ends with 1 where the kernel is not Linux", () => {
    tool("uname", "echo Darwin");
    expect(run(asRoot)).toEqual({
      status: 1,
      stdout: "",
      stderr: "setup: Linux is needed: the programs are eBPF\n",
    });
  });

  it("ends with 1 and names the packages where there is no apt-get to install them", () => {
    having("make", "g++", "nsenter");
    expect(run(asRoot)).toEqual({
      status: 1,
      stdout: "",
      stderr:
        "setup: there is no apt-get here; install what these packages of Debian hold, and run this again: clang iproute2\n",
    });
  });

  it("installs what is missing and nothing else, and ends where apt-get fails", () => {
    having(...tools.filter((name) => name !== "ip"));
    tool(
      "apt-get",
      'echo "apt-get $*"; [ "$1" = update ] || { echo "E: no network" >&2; exit 100; }',
    );
    expect(run(asRoot)).toEqual({
      status: 100,
      stdout: "apt-get update -qq\n",
      stderr: "setup: installing iproute2\nE: no network\n",
    });
  });

  it("ends where the npm packages cannot be installed, before it builds anything", () => {
    having(...tools, "npm");
    expect(run(asRoot)).toEqual({
      status: 3,
      stdout: "npm ci --no-audit --no-fund --loglevel=error\n",
      stderr: "setup: installing the npm packages of the lock file\n",
    });
  });
});
