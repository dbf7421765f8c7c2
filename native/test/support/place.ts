import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mountBpffs } from "libbpf-ts";
import { onTestFinished } from "vitest";
import { requireRoot } from "./root.ts";

let places = 0;
const unique = (): string => `nlt${process.pid}x${places++}`;

/** A bpffs of the test's own. */
export function bpffs(): string {
  requireRoot();
  const path = mkdtempSync(join(tmpdir(), "libbpf-ts-"));
  mountBpffs(path);
  onTestFinished(() => {
    execFileSync("umount", ["-l", path]);
    rmSync(path, { recursive: true });
  });
  return path;
}

/** A cgroup2 directory of the test's own. */
export function cgroup(): string {
  requireRoot();
  const mount = /^\S+ (\S+) cgroup2 /m.exec(readFileSync("/proc/mounts", "utf8"))?.[1];
  if (mount === undefined) throw new Error("no cgroup2 is mounted");
  const path = join(mount, unique());
  mkdirSync(path);
  onTestFinished(() => rmdirSync(path));
  return path;
}

/** What a TCP peer says to a client in that cgroup; rejects where the connection is refused. */
export function askInCgroup(cgroupPath: string, host: string, port: number): Promise<string> {
  const script = 'echo $$ > "$0/cgroup.procs" && exec 3<>"/dev/tcp/$1/$2" && cat <&3';
  const child = spawn("bash", ["-c", script, cgroupPath, host, `${port}`]);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = "";
  let complaint = "";
  child.stdout.on("data", (data) => {
    answer += data;
  });
  child.stderr.on("data", (data) => {
    complaint += data;
  });
  child.on("close", (code) => (code === 0 ? resolve(answer) : reject(new Error(complaint))));
  return promise;
}

export interface Netns {
  readonly path: string;
  /** Of a veth device that is up, with its peer in the same namespace. */
  readonly ifindex: number;
  readonly device: string;
  run(command: string, ...args: string[]): string;
}

export function netns(): Netns {
  requireRoot();
  const name = unique();
  execFileSync("ip", ["netns", "add", name]);
  onTestFinished(() => {
    execFileSync("ip", ["netns", "del", name]);
  });
  const run = (command: string, ...args: string[]): string =>
    execFileSync("nsenter", [`--net=/run/netns/${name}`, command, ...args], { encoding: "utf8" });
  run("ip", "link", "set", "lo", "up");
  run("ip", "link", "add", "left", "type", "veth", "peer", "name", "right");
  run("ip", "link", "set", "left", "up");
  run("ip", "link", "set", "right", "up");
  const [link] = JSON.parse(run("ip", "-j", "link", "show", "dev", "left"));
  return { path: `/run/netns/${name}`, ifindex: link.ifindex, device: "left", run };
}
