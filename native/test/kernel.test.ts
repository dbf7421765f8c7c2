import { execFileSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import {
  inNetns,
  isBpffs,
  isNotFound,
  kernelVersion,
  mountBpffs,
  netnsCookie,
  rcuGracePeriod,
} from "libbpf-ts";
import { describe, expect, it } from "vitest";
import { errorOf } from "./support/object.ts";
import { bpffs, netns } from "./support/place.ts";

describe("bpffs", () => {
  it("is recognised where it is mounted and nowhere else", () => {
    expect(isBpffs(bpffs())).toBe(true);
    const plain = mkdtempSync(join(tmpdir(), "libbpf-ts-plain-"));
    expect(isBpffs(plain)).toBe(false);
    rmdirSync(plain);
    expect(isBpffs("/nowhere")).toBe(false);
    expect(isNotFound(errorOf(() => mountBpffs("/nowhere")))).toBe(true);
  });
});

describe("network namespaces", () => {
  it("differ in their cookies, and the thread comes back to its own", () => {
    const place = netns();
    const home = netnsCookie();
    expect(home).toBeTypeOf("bigint");
    const there = inNetns(place.path, () => netnsCookie());
    expect(there).toBeTypeOf("bigint");
    expect(there).not.toBe(home);
    expect(netnsCookie()).toBe(home);
  });

  it("are left also where the callback throws, whatever it throws", () => {
    const place = netns();
    const home = netnsCookie();
    for (const thrown of [new Error("inside"), null, undefined, 7]) {
      let caught: unknown = "nothing";
      try {
        inNetns(place.path, () => {
          throw thrown;
        });
      } catch (error) {
        caught = error;
      }
      expect(caught).toBe(thrown);
      expect(netnsCookie()).toBe(home);
    }
  });

  it("nest", () => {
    const [outer, inner] = [netns(), netns()];
    const cookies = inNetns(outer.path, () => [
      netnsCookie(),
      inNetns(inner.path, () => netnsCookie()),
      netnsCookie(),
    ]);
    expect(cookies[0]).toBe(cookies[2]);
    expect(new Set([...cookies, netnsCookie()]).size).toBe(3);
  });

  it("refuse paths that are none and callbacks that are asynchronous", () => {
    const place = netns();
    expect(isNotFound(errorOf(() => inNetns("/run/netns/none", () => 1)))).toBe(true);
    expect(errorOf(() => inNetns("/etc/passwd", () => 1))).toMatchObject({ code: "EINVAL" });
    expect(() => inNetns(place.path, async () => 1)).toThrow("asynchronous");
    expect(() => inNetns(place.path, 5 as never)).toThrow("takes a function");
  });
});

it("an RCU grace period ends", async () => {
  await Promise.all([rcuGracePeriod(), rcuGracePeriod()]);
});

it("free memory goes back to the system", () => {
  // The buffers lie in malloc's heap. The last one lives, so that the heap does not shrink by
  // itself; a collector's thread frees the others some time after gc().
  const script = `
    import { setImmediate } from "node:timers/promises";
    import { releaseFreeMemory } from "libbpf-ts";
    let buffers = Array.from({ length: 20_000 }, () => new ArrayBuffer(4096));
    const last = buffers.at(-1);
    const full = process.memoryUsage.rss();
    buffers = [];
    const fallen = async (release) => {
      let bytes = 0;
      for (let round = 0; round < 50 && bytes < 40e6; round++) {
        gc();
        await setImmediate();
        if (release) releaseFreeMemory();
        bytes = full - process.memoryUsage.rss();
      }
      return bytes;
    };
    console.log(JSON.stringify([await fallen(false), await fallen(true), last.byteLength]));`;
  const output = execFileSync(
    process.execPath,
    ["--expose-gc", "--input-type=module", "-e", script],
    { cwd: import.meta.dirname, encoding: "utf8" },
  );
  const [byItself, released] = JSON.parse(output);
  expect(byItself).toBeLessThan(20e6);
  expect(released).toBeGreaterThan(40e6);
});

it("the kernel's version is that of uname", () => {
  const { release: text, major, minor } = kernelVersion();
  expect(text).toBe(release());
  expect(text.startsWith(`${major}.${minor}.`)).toBe(true);
});
