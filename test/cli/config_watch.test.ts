import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { configChange, readRegularFile } from "../../agent/config/watch.ts";
import { until } from "../harness/until.ts";

const LOOK_MS = 5;

describe("a change of the configuration file", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "sluice-watch-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const at = (name: string): string => join(folder, name);
  let looks: number;
  const watch = (name: string, text: string) => {
    looks = 0;
    const read = async (path: string) => {
      try {
        return await readRegularFile(path);
      } finally {
        looks++;
      }
    };
    return configChange({ path: resolve(folder, name), text }, { lookMs: LOOK_MS, read });
  };

  /** As kubelet mounts a ConfigMap: the file, a link to a link to a folder of this version. */
  const mount = (version: string, text: string): void => {
    mkdirSync(at(version));
    writeFileSync(join(at(version), "config.conf"), text);
    symlinkSync(version, at("..data_tmp"));
    renameSync(at("..data_tmp"), at("..data"));
  };

  /** Whether it is seen by two looks that begin now. */
  const isSeen = async (change: Promise<unknown>): Promise<boolean> => {
    let seen = false;
    void change.then(() => {
      seen = true;
    });
    const enough = looks + 3;
    await until(() => seen || looks >= enough, { deadlineMs: 10_000, describe: "three looks" });
    return seen;
  };

  it("is seen where it is written anew (KP-52)", async () => {
    writeFileSync(at("config.conf"), "old");
    const change = watch("config.conf", "old");
    writeFileSync(at("config.conf"), "new");
    expect(await change).toBe("config changed");
  });

  it("is seen where another file takes its name, as editors do", async () => {
    writeFileSync(at("config.conf"), "old");
    const change = watch("config.conf", "old");
    writeFileSync(at("config.conf.new"), "new");
    renameSync(at("config.conf.new"), at("config.conf"));
    expect(await change).toBe("config changed");
  });

  it("is seen where kubelet swaps the link of a ConfigMap (KP-51)", async () => {
    mount("..1", "old");
    symlinkSync("..data/config.conf", at("config.conf"));
    const change = watch("config.conf", "old");
    mount("..2", "new");
    rmSync(at("..1"), { recursive: true });
    expect(await change).toBe("config changed");
  });

  it("is seen where it came between reading and watching", async () => {
    writeFileSync(at("config.conf"), "new");
    expect(await watch("config.conf", "old")).toBe("config changed");
  });

  it("is seen after the file was away", async () => {
    const change = watch("config.conf", "old");
    expect(await isSeen(change)).toBe(false);
    writeFileSync(at("config.conf"), "new");
    expect(await change).toBe("config changed");
  });

  it("is none where the link is swapped and the file says the same", async () => {
    mount("..1", "same");
    symlinkSync("..data/config.conf", at("config.conf"));
    const change = watch("config.conf", "same");
    mount("..2", "same");
    expect(await isSeen(change)).toBe(false);
  });

  it("is none where the file is gone, or is no file that can be read again", async () => {
    expect(await isSeen(watch("none", "old"))).toBe(false);
    expect(await isSeen(watch("/dev/null", "old"))).toBe(false);
  });
});
