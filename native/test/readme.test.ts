import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import * as api from "libbpf-ts";
import * as btf from "libbpf-ts/btf";
import * as netlink from "libbpf-ts/netlink";
import { beforeAll, describe, expect, it } from "vitest";
import { testDirectory } from "./support/bytes.ts";
import { bpffs, cgroup } from "./support/place.ts";

const readme = readFileSync(`${testDirectory}../README.md`, "utf8");
const directory = `${testDirectory}build/readme`;

const blocks = (language: string): string[] =>
  [...readme.matchAll(/```(\w+)\n([\s\S]*?)```/g)]
    .filter((match) => match[1] === language)
    .map((match) => match[2] ?? "");

const examples = blocks("ts").map((source, i) => ({
  title: /"libbpf-ts.*/.exec(source)?.[0] ?? "",
  source,
  printed: blocks("text")[i],
  file: `${directory}/example${i}.ts`,
}));

/** In the cgroup that the examples attach to, as every process is in the root. */
const IN_CGROUP = 'echo $$ > "$CGROUP/cgroup.procs" && exec "$0" "$1"';

describe("the README's examples", () => {
  beforeAll(() => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(`${directory}/connects.bpf.c`, blocks("c")[0] ?? "");
    const multiarch = execFileSync("gcc", ["-print-multiarch"], { encoding: "utf8" }).trim();
    const command = /compiled by `clang (.*?)`/.exec(readme)?.[1]?.split(" ") ?? [];
    execFileSync("clang", [...command, `-I/usr/include/${multiarch}`], { cwd: directory });
  });

  it("are all found", () => {
    expect(examples).toHaveLength(5);
    expect(blocks("text")).toHaveLength(5);
  });

  it.each(examples)("print what they say: $title", ({ source, printed, file }) => {
    writeFileSync(file, source);
    const env = { ...process.env, CGROUP: cgroup(), PINS: bpffs() };
    const { stdout, stderr, status } = spawnSync("sh", ["-c", IN_CGROUP, process.execPath, file], {
      cwd: directory,
      env,
      encoding: "utf8",
      timeout: 30_000,
    });
    expect({ stdout, stderr, status }).toEqual({ stdout: printed, stderr: "", status: 0 });
  });
});

it("the API page names all that the package exports", () => {
  const page = readFileSync(`${testDirectory}../API.md`, "utf8");
  const exported = [api, btf, netlink].flatMap((module) => Object.keys(module));
  expect(exported.length).toBeGreaterThan(50);
  expect(exported.filter((name) => !page.includes(name))).toEqual([]);
});
