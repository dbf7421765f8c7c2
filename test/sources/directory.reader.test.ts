import { mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { FolderReader } from "../../agent/sources/directory/reader.ts";
import { Interner } from "../../agent/sources/parse/intern.ts";

let folder: string;
let reader: FolderReader;
/** Milliseconds since the file was last written. */
let age = 1000;
let writtenAt = 0;

const service = (name: string) =>
  `{apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}}\n`;

function write(text: string): void {
  const file = join(folder, "a.yaml");
  writeFileSync(file, text);
  writtenAt = Math.floor(statSync(file).mtimeMs);
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-reader-"));
  reader = new FolderReader(folder, "n1", new Interner(), () => writtenAt + age);
  age = 1000;
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const read = async () => {
  const { entries, againMilliseconds } = await reader.read();
  return [[...entries.keys()], againMilliseconds];
};

it("waits with a file that was written in place a moment ago: half of it would look like deletions", async () => {
  write(service("a"));
  expect(await read()).toEqual([["Service default/a"], undefined]);
  write("");
  age = 10;
  expect(await read()).toEqual([["Service default/a"], 50]);
  write(service("b"));
  age = 49;
  expect(await read()).toEqual([["Service default/a"], 50]);
  age = 50;
  expect(await read()).toEqual([["Service default/b"], undefined]);
});

it("loses patience with a file that is written without a pause", async () => {
  const clock = { now: 0 };
  const file = join(folder, "a.yaml");
  const impatient = new FolderReader(folder, "n1", new Interner(), () => clock.now);
  const writeAt = async (text: string, milliseconds: number) => {
    writeFileSync(file, text);
    utimesSync(file, milliseconds / 1000, milliseconds / 1000);
    clock.now = milliseconds;
    return [...(await impatient.read()).entries.keys()];
  };
  expect(await writeAt(service("a"), 1000)).toEqual(["Service default/a"]);
  clock.now = 2000;
  await impatient.read();
  expect(await writeAt(service("b"), 3000)).toEqual(["Service default/a"]);
  expect(await writeAt(service("c"), 3249)).toEqual(["Service default/a"]);
  expect(await writeAt(service("d"), 3250)).toEqual(["Service default/d"]);
});

it("reads a new file at once, and again when it has settled", async () => {
  write(service("a"));
  age = 5;
  expect(await read()).toEqual([["Service default/a"], 50]);
  age = 60;
  expect(await read()).toEqual([["Service default/a"], undefined]);
});

it("believes a clock ahead of its own", async () => {
  write(service("a"));
  age = -5000;
  expect(await read()).toEqual([["Service default/a"], undefined]);
});
