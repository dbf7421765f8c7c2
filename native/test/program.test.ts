import { BpfProgram, kernelVersion, openRingBuffer, probe } from "libbpf-ts";
import { describe, expect, it, onTestFinished } from "vitest";
import { errorOf, load, u32 } from "./support/object.ts";
import { runModule } from "./support/process.ts";
import { requireRoot } from "./support/root.ts";
import { until } from "./support/wait.ts";

describe("BPF_PROG_RUN", () => {
  it("runs a program on a packet and gives its verdict, the packet and the time", () => {
    const object = load();
    object.map("slots").update(u32(0), u32(2));
    const packet = Buffer.alloc(60, 0xab);
    const result = object.program("observe").testRun({ data: packet });
    expect(result.returnValue).toBe(2);
    expect(Buffer.from(result.data)).toEqual(packet);
    expect(result.durationNs).toBeGreaterThan(0);
    object.program("observe").testRun({ data: packet, repeat: 9 });
    expect(new BigUint64Array(object.map(".data").lookup(u32(0))!.buffer)[0]).toBe(17n);
  });

  it("passes a context in and out", () => {
    const program = load().program("pass");
    const context = new Uint8Array(192);
    new DataView(context.buffer).setUint32(8, 42, true);
    const result = program.testRun({ data: new Uint8Array(60), context });
    expect(new DataView(result.context.buffer).getUint32(8, true)).toBe(42);
  });

  it("refuses packets that are too short and programs that cannot be run so", () => {
    const object = load();
    expect(
      errorOf(() => object.program("pass").testRun({ data: new Uint8Array(3) })),
    ).toMatchObject({ operation: "program.testRun", target: "pass", code: "EINVAL" });
    expect(errorOf(() => object.program("redirect").testRun())).toMatchObject({ code: "ENOTSUPP" });
  });
});

it("a program tells its type, tag and maps, and is found by its number", () => {
  const program = load().program("observe");
  expect(program.info).toMatchObject({ type: "sched_cls", name: "observe", mapCount: 5 });
  expect(program.info.tag).toMatch(/^[0-9a-f]{16}$/);
  using again = BpfProgram.openById(program.info.id);
  expect(again.info).toEqual(program.info);
});

describe("a ring buffer", () => {
  const lengths = (records: readonly Uint8Array[]) =>
    records.map((record) => Number(new DataView(record.buffer).getBigUint64(0, true)));

  it("delivers records in order on the event loop", async () => {
    const object = load();
    const records: Uint8Array[] = [];
    using _ring = openRingBuffer(object.map("events"), (record) => records.push(record));
    for (const size of [60, 61, 62])
      object.program("observe").testRun({ data: new Uint8Array(size) });
    expect(records).toEqual([]);
    await until("three records", () => records.length === 3);
    expect(lengths(records)).toEqual([60, 61, 62]);
  });

  it("delivers more than one turn holds, and at once where asked to", async () => {
    const object = load();
    let count = 0;
    const ring = openRingBuffer(object.map("events"), () => {
      count += 1;
    });
    onTestFinished(() => ring.close());
    object.program("observe").testRun({ data: new Uint8Array(60), repeat: 2000 });
    await until("2000 records", () => count === 2000);
    object.program("observe").testRun({ data: new Uint8Array(60), repeat: 700 });
    expect(ring.consume()).toBe(700);
    expect(count).toBe(2700);
  });

  it("may be closed from its own callback, twice, and then delivers no more", async () => {
    const object = load();
    let count = 0;
    const ring = openRingBuffer(object.map("events"), () => {
      count += 1;
      ring.close();
      ring.close();
    });
    object.program("observe").testRun({ data: new Uint8Array(60), repeat: 5 });
    await until("one record", () => count > 0);
    expect(ring.consume()).toBe(0);
    expect(count).toBe(1);
  });

  it("is refused for maps of another type", () => {
    const object = load();
    expect(errorOf(() => openRingBuffer(object.map("slots"), () => {}))).toMatchObject({
      operation: "ringBuffer.open",
      target: "slots",
      code: "EINVAL",
    });
    expect(() => openRingBuffer(object.map("events"), 5 as never)).toThrow("takes a function");
  });

  it("turns what a callback throws, null and undefined too, into an uncaught exception", () => {
    const outcome = runModule(`
      import { openObject, openRingBuffer } from "libbpf-ts";
      const object = openObject("test/build/everything.bpf.o").load();
      const thrown = [null, undefined, new Error("mine"), 5];
      process.on("uncaughtException", (error) => {
        console.log(error.name, error.errors.map((one) => one?.message ?? String(one)).join());
        ring.close();
      });
      const ring = openRingBuffer(object.map("events"), () => { throw thrown.shift(); });
      object.program("observe").testRun({ data: new Uint8Array(60), repeat: 4 });
    `);
    expect(outcome).toMatchObject({ signal: null, status: 0 });
    expect(outcome.stdout).toBe("AggregateError null,undefined,mine,5\n");
  });

  it("keeps the process alive unless it is unreferenced", () => {
    const outcome = runModule(`
      import { openObject, openRingBuffer } from "libbpf-ts";
      const object = openObject("test/build/everything.bpf.o").load();
      openRingBuffer(object.map("events"), () => {}).unref();
      console.log("end");
    `);
    expect(outcome).toMatchObject({ status: 0, stdout: "end\n" });
  });
});

describe("probes", () => {
  it("say yes to what every supported kernel has", () => {
    requireRoot();
    const yes = { state: "yes" };
    expect(probe.programType("cgroup_sock_addr")).toEqual(yes);
    expect(probe.mapType("sk_storage")).toEqual(yes);
    expect(probe.helper("cgroup_sock_addr", "sk_storage_get")).toEqual(yes);
    expect(probe.attachType("cgroup_sock_addr", "cgroup_inet4_getpeername")).toEqual(yes);
    expect(probe.cgroupLink()).toEqual(yes);
    expect(probe.mapBatch("hash")).toEqual(yes);
    expect(probe.mmapableArray()).toEqual(yes);
  });

  it("say unsupported, with a reason, to what no kernel has", () => {
    expect(probe.helper("xdp", "set_retval")).toEqual({
      state: "unsupported",
      reason: "this kernel has no helper 187 in xdp",
    });
    expect(probe.helper("sched_cls", 100_000).state).toBe("unsupported");
    expect(probe.attachType("cgroup_sock_addr", "sk_lookup").state).toBe("unsupported");
    expect(probe.mapBatch("queue").state).toBe("unsupported");
    expect(() => probe.mapType("nonsense" as "hash")).toThrow('no map type is called "nonsense"');
  });

  it("are inconclusive without privileges", () => {
    const outcome = runModule(`
      import { probe } from "libbpf-ts";
      process.setgroups([]); process.setgid(65534); process.setuid(65534);
      console.log([probe.helper("xdp", "loop"), probe.tcx(), probe.cgroupLink(),
        probe.attachType("xdp", "xdp"), probe.mapBatch("lru_hash")].map((one) => one.state).join());
    `);
    expect(outcome.stderr).toBe("");
    expect(outcome.stdout).toBe(`${Array(5).fill("inconclusive").join()}\n`);
  });

  it("are inconclusive about batches on maps that cannot be made for trying", () => {
    expect(probe.mapBatch("hash_of_maps").state).toBe("inconclusive");
  });

  it("agree with the kernel's age", () => {
    const { major, minor } = kernelVersion();
    const from = (wantedMajor: number, wantedMinor: number) =>
      major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
        ? "yes"
        : "unsupported";
    expect(probe.tcx().state).toBe(from(6, 6));
    expect(probe.helper("cgroup_sock_addr", "set_retval").state).toBe(from(5, 18));
    expect(probe.helper("sched_cls", "get_netns_cookie").state).toBe(from(5, 15));
    expect(probe.mapBatch("percpu_array").state).toBe(from(5, 13));
  });
});
