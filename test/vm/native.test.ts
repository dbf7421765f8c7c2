import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NativeReport } from "./guest/native/steps.ts";
import { chosenKernels } from "./kernels.ts";
import { buildNativeImage } from "./native.ts";
import { type ReportImage, reportFrom } from "./report.ts";

let image: ReportImage;
beforeAll(async () => {
  image = await buildNativeImage();
});
afterAll(() => image?.remove());

describe.each(chosenKernels())("libbpf-ts on kernel $name", (kernel) => {
  const isFloor = kernel.name === "5.10";
  const hasTcx = kernel.name === "6.12" || kernel.name === "newest";
  let report: NativeReport;

  beforeAll(async () => {
    report = await reportFrom<NativeReport>(kernel, image);
  });

  it("runs on the kernel that was asked for", () => {
    expect(report.kernel).toMatch(kernel.name === "newest" ? /^[7-9]\./ : `${kernel.name}.`);
  });

  it("tells what the kernel can and what it cannot", () => {
    const sinceFloor = isFloor ? "unsupported" : "yes";
    expect(report.probes).toEqual({
      tcx: hasTcx ? "yes" : "unsupported",
      setRetval: sinceFloor,
      socketStorage: "yes",
      hashBatch: "yes",
      perCpuArrayBatch: sinceFloor,
      progArrayBatch: "unsupported",
      mmapableArray: "yes",
      cgroupLink: "yes",
      ringBuffer: "yes",
      getpeername: "yes",
      netnsCookie: isFloor ? "undefined" : "bigint",
    });
  });

  it("loads an object with every kind of map and program", () => {
    expect(report.loadedObject).toEqual({
      programs: [
        "redirect",
        "refuse_all",
        "observe",
        "pass",
        "list_sockets",
        "list_nothing",
        "list_elements",
      ],
      maps: expect.arrayContaining(["endpoints", "slots", "counters", "events", "sockets"]),
      type: "cgroup_sock_addr",
    });
  });

  it("sums up in one line what the verifier has against a program", () => {
    expect(report.refusedProgram).toEqual({
      program: "unbounded",
      code: "EACCES",
      summary: expect.stringMatching(/^R1 .* is outside of the (packet|allowed memory range)$/),
      inMessage: true,
    });
  });

  it("delivers the records of a ring buffer in order, on the event loop", () => {
    expect(report.ringBuffer).toEqual({ before: 0, lengths: [60, 61, 62] });
  });

  it("writes, reads and deletes in batches, and says where one stopped", () => {
    const full = { isFull: true, done: 40 };
    expect(report.batches).toEqual({ written: 100, last: [106], deleted: 40, left: 60, full });
  });

  it("does the same one by one where the kernel has no batch form", () => {
    expect(report.perCpuBatches).toEqual({ written: 3, firstCpu: [1, 2, 3], chunks: [2, 1] });
    const keys = [1, 4, 6];
    expect(report.batchFallback).toEqual({ written: 3, keys, chunks: [2, 1], deleted: 2 });
  });

  it("maps an array into memory", () => {
    expect(report.mappedMemory).toEqual({ read: [77, 0], seen: 88, stride: 8 });
  });

  it("rewrites a real connect() while its link is open", () => {
    expect(report.connectRewritten).toEqual({
      kind: "cgroup",
      attachType: "cgroup_inet4_connect",
      attached: "backend",
      closed: "ENETUNREACH",
    });
  });

  it("updates a link in place", () => {
    const outcome = { refused: "EPERM", redirected: "backend", sameLink: true };
    expect(report.updatedLink).toEqual(outcome);
  });

  it("keeps a pinned link at work without a handle, and opens it and a map by their pins", () => {
    expect(report.pinnedLink).toEqual({
      pinned: "backend",
      kind: "cgroup",
      counter: 7,
      detached: "ENETUNREACH",
    });
  });

  it("iterates over socket storage", () => {
    const stored = [198, 51, 100, 7, 0, 0, 0, 0];
    expect(report.iteratedSockets).toEqual({ before: 0, open: stored });
  });

  it("destroys the socket that it is told to, and no other", () => {
    expect(report.destroyedSocket).toEqual({ code: "ECONNABORTED", again: true, kept: 1 });
  });

  it("attaches to an interface by a filter of the clsact qdisc", () => {
    const counts = { observed: 3, updated: 0, detached: 0 };
    expect(report.tcByNetlink).toEqual({ kind: "tc", found: true, ...counts });
  });

  it("attaches to an interface by TCX from 6.6 on, and is refused before", () => {
    const counts = { observed: 3, updated: 0, detached: 0 };
    expect(report.tcx).toEqual(hasTcx ? { kind: "tcx", ...counts } : { code: "EINVAL" });
  });

  it("waits for the end of an RCU grace period", () => {
    expect(report.gracePeriod).toBe("ended");
  });

  it("lists the network devices by rtnetlink", () => {
    expect(report.interfaces).toContain("lo");
  });
});
