import { expect, it } from "vitest";
import { runModule } from "./support/process.ts";
import { requireRoot } from "./support/root.ts";
import "./support/object.ts";

it("works in worker threads, several at once, and ends with them cleanly", () => {
  requireRoot();
  const outcome = runModule(`
    import { Worker } from "node:worker_threads";
    import { once } from "node:events";
    import "libbpf-ts";
    const source = \`
      import { openObject, openRingBuffer, rcuGracePeriod } from "libbpf-ts";
      import { subscribeNetlink, openNetlink } from "libbpf-ts/netlink";
      import { parentPort } from "node:worker_threads";
      const object = openObject("test/build/everything.bpf.o").load();
      subscribeNetlink("route", { groups: [1], onMessage() {}, onOverrun() {} });
      openNetlink("route");
      new Uint32Array(object.map("slots").mmap())[0] = 2;
      await rcuGracePeriod();
      openRingBuffer(object.map("events"), (record) => parentPort.postMessage(record.length));
      object.program("observe").testRun({ data: new Uint8Array(60) });
      rcuGracePeriod();
    \`;
    const url = new URL("data:text/javascript," + encodeURIComponent(
      source.replaceAll('"libbpf-ts', '"' + import.meta.resolve("libbpf-ts").replace("/index.ts", ""))
            .replaceAll('native"', 'native/index.ts"').replaceAll('native/netlink"', 'native/netlink.ts"')));
    for (let round = 0; round < 3; round++) {
      const workers = Array.from({ length: 3 }, () => new Worker(url));
      const answers = await Promise.all(workers.map((worker) => once(worker, "message")));
      console.log(answers.join());
      await Promise.all(workers.map((worker) => worker.terminate()));
    }
  `);
  expect(outcome).toMatchObject({ signal: null, status: 0, stderr: "" });
  expect(outcome.stdout).toBe("8,8,8\n8,8,8\n8,8,8\n");
});

it("takes all with it when the process exits with everything open", () => {
  const outcome = runModule(`
    import { openObject, openRingBuffer, rcuGracePeriod } from "libbpf-ts";
    import { subscribeNetlink } from "libbpf-ts/netlink";
    const object = openObject("test/build/everything.bpf.o").load();
    openRingBuffer(object.map("events"), () => {});
    subscribeNetlink("route", { groups: [1], onMessage() {}, onOverrun() {} });
    object.map("slots").mmap();
    rcuGracePeriod();
    process.exit(7);
  `);
  expect(outcome).toMatchObject({ signal: null, status: 7, stderr: "" });
});

it("gives memory and descriptors back without any close, once collected", () => {
  const outcome = runModule(`
    import { createMap, MAP_FLAGS } from "libbpf-ts";
    import { readdirSync, readFileSync } from "node:fs";
    import { setImmediate } from "node:timers/promises";
    import v8 from "node:v8";
    import vm from "node:vm";
    v8.setFlagsFromString("--expose-gc");
    const gc = vm.runInNewContext("gc");
    const mappings = () => readFileSync("/proc/self/maps", "utf8").split("bpf-map").length - 1;
    for (let i = 0; i < 100; i++) {
      createMap({ type: "array", keySize: 4, valueSize: 8, maxEntries: 512, flags: MAP_FLAGS.mmapable }).mmap();
    }
    const before = mappings();
    const end = Date.now() + 20000;
    while (mappings() > 0 && Date.now() < end) { gc(); await setImmediate(); }
    const maps = readdirSync("/proc/self/fd").length;
    console.log(before > 50, mappings(), maps < 50);
  `);
  expect(outcome).toMatchObject({ signal: null, status: 0, stderr: "" });
  expect(outcome.stdout).toBe("true 0 true\n");
});
