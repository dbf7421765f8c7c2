import { chmod, cp, mkdir, open, readdir, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { command } from "./command.ts";

/** Guest path to host path, file or folder. */
export type Files = Readonly<Record<string, string>>;

/** Programs that every guest has: found on the host by these paths, with their libraries. */
const PROGRAMS: Files = {
  "/usr/bin/node": process.execPath,
  "/sbin/ip": "/sbin/ip",
};

/**
 * The guest's first process. The script's output and the line that tells its exit code leave by
 * the second serial port, so that kernel messages on the first do not cut into them.
 */
const INIT = `#!/bin/busybox sh
busybox=/bin/busybox
$busybox mount -t proc proc /proc
$busybox mount -t sysfs sys /sys
$busybox mount -t tmpfs tmp /tmp
$busybox mount -t tmpfs run /run
$busybox mount -t cgroup2 cgroup2 /sys/fs/cgroup
$busybox mount -t bpf bpf /sys/fs/bpf
/sbin/ip link set lo up
$busybox stty -F /dev/ttyS1 raw
export PATH=/usr/bin:/sbin:/bin HOME=/tmp NO_COLOR=1
script=$($busybox sed 's/.*sluice\\.script=\\([^ ]*\\).*/\\1/' /proc/cmdline)
cd "$($busybox dirname "$script")"
node "$script" >/dev/ttyS1 2>&1
printf '\\nEXIT %d\\n' $? >/dev/ttyS1
$busybox poweroff -f
`;

/**
 * A root file system for any of the kernels: busybox, Node, iproute2, the shared libraries of
 * every program and addon among `files`, and `files` themselves.
 */
export const buildImage = async (path: string, files: Files): Promise<void> => {
  const tree = `${path}.tree`;
  try {
    await fillTree(tree, files);
    const options = ["-q", "-F", "-t", "ext4", "-O", "^has_journal,^metadata_csum", "-m", "0"];
    await command("mke2fs", [...options, "-d", tree, path, `${await sizeMb(tree)}M`]);
  } finally {
    await rm(tree, { recursive: true, force: true });
  }
};

const fillTree = async (tree: string, files: Files): Promise<void> => {
  for (const folder of ["bin", "dev", "proc", "sys", "tmp", "run", "sbin"])
    await mkdir(join(tree, folder), { recursive: true });
  await writeFile(join(tree, "init"), INIT);
  await chmod(join(tree, "init"), 0o755);
  const all = { "/bin/busybox": "/bin/busybox", ...PROGRAMS, ...files };
  for (const [guest, host] of Object.entries(all)) await copy(host, join(tree, guest));
  for (const library of await libraries({ ...PROGRAMS, ...files }))
    await copy(library, join(tree, library));
};

const copy = async (from: string, to: string): Promise<void> => {
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to, { recursive: true, dereference: true });
};

/** The shared libraries that the host's loader would take, the loader itself among them. */
const libraries = async (files: Files): Promise<ReadonlySet<string>> => {
  const linked: string[] = [];
  for (const path of Object.values(files))
    for (const file of await filesAt(path)) if (await isLinked(file)) linked.push(file);
  const listing = (await command("ldd", linked)).toString();
  return new Set(listing.match(/(?<=^\s+(?:\S+ => )?)\/\S+(?= \(0x)/gm) ?? []);
};

const filesAt = async (path: string): Promise<readonly string[]> => {
  if (!(await stat(path)).isDirectory()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => join(entry.parentPath, entry.name));
};

const ET_EXEC = 2;
const ET_DYN = 3;

/** A program that names its loader, a shared library or an addon; a BPF object is none of these. */
const isLinked = async (path: string): Promise<boolean> => {
  const file = await open(path);
  try {
    const head = Buffer.alloc(4096);
    await file.read(head, 0, head.length, 0);
    const type = head.readUInt16LE(16);
    if (head.toString("latin1", 0, 4) !== "\x7fELF") return false;
    return type === ET_DYN || (type === ET_EXEC && head.includes("/ld-linux"));
  } finally {
    await file.close();
  }
};

// A quarter more than the content, for the file system's own tables.
const sizeMb = async (tree: string): Promise<number> => {
  const kilobytes = Number.parseInt((await command("du", ["-sk", tree])).toString(), 10);
  return Math.ceil((kilobytes / 1024) * 1.25) + 8;
};
