import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BpfProgram } from "libbpf-ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DeviceHook, DeviceHooks } from "../../agent/datapath/device_hook.ts";
import type { DevicePrograms } from "../../agent/datapath/device_programs.ts";
import type { DeviceMaps } from "../../agent/datapath/device_server.ts";
import { Devices } from "../../agent/datapath/devices.ts";
import { type Pins, pinsAt } from "../../agent/datapath/pins.ts";
import type { NodeDevice } from "../../agent/network/state.ts";
import { ownPrefix } from "../harness/leftovers.ts";

/** A kernel that keeps a diary, and refuses what it is told to. */
class Kernel {
  diary: string[] = [];
  readonly attached = new Set<string>();
  readonly entries = new Map<number, { readonly flags: number; readonly mtu: number }>();
  readonly counts = new Set<number>();
  readonly refused = new Set<string>();
  readonly gone = new Set<number>();

  readonly hooks: DeviceHooks = {
    kind: "tcx",
    attach: async (hook) => {
      if (this.gone.has(hook.ifindex)) throw Object.assign(new Error("no such device"), gone);
      if (this.refused.has(keyOf(hook))) throw new Error(`${keyOf(hook)} is refused`);
      this.diary.push(`attach ${keyOf(hook)}`);
      this.attached.add(keyOf(hook));
    },
    programAt: (hook) => (this.attached.has(keyOf(hook)) ? 1 : undefined),
    detach: async (hook) => {
      if (this.attached.delete(keyOf(hook))) this.diary.push(`detach ${keyOf(hook)}`);
    },
  };

  readonly maps: DeviceMaps = {
    devices: {
      keys: () => this.entries.keys(),
      update: (index, { flags, mtu }) => {
        this.diary.push(`tell of ${index}`);
        this.entries.set(index, { flags, mtu });
      },
      delete: (index) => {
        const had = this.entries.delete(index);
        if (had) this.diary.push(`forget ${index}`);
        return had;
      },
    },
    packetCounts: { delete: ({ device }) => this.counts.delete(device) },
  };

  /** The device goes, and what is attached there with it. */
  remove(ifindex: number): void {
    this.gone.add(ifindex);
    for (const key of this.attached) if (key.endsWith(`-${ifindex}`)) this.attached.delete(key);
  }

  /** What it has noted since it was asked last. */
  noted(): string[] {
    return this.diary.splice(0);
  }
}

const gone = { code: "ENODEV" };

const keyOf = ({ program, ifindex }: DeviceHook): string => `${program}-${ifindex}`;

const programs = { ids: new Set(), program: () => ({}) as BpfProgram } as unknown as DevicePrograms;

const device = (index: number, rest: Partial<NodeDevice> = {}): NodeDevice => ({
  index,
  name: `d${index}`,
  role: "pod",
  mtu: 1500,
  hasMacHeader: true,
  sources: {},
  path: "stack",
  roleReason: "is one",
  pathReason: "must be",
  ...rest,
});
const external = (index: number, rest: Partial<NodeDevice> = {}) =>
  device(index, { role: "external", path: "neighbour", ...rest });

const devicesWith = (loaded: DevicePrograms | undefined) =>
  new Devices({ programs: loaded, hooks: kernel.hooks, maps: kernel.maps, pins });

let pins: Pins;
let kernel: Kernel;
let devices: Devices;
beforeEach(async () => {
  pins = pinsAt(await mkdtemp(join(tmpdir(), `${ownPrefix}devices-`)));
  await mkdir(pins.links);
  kernel = new Kernel();
  devices = devicesWith(programs);
});
afterEach(() => rm(pins.root, { recursive: true, force: true }));

describe("a device", () => {
  it("is told of once its programs are attached, and not before", async () => {
    await devices.apply([external(2), device(3)]);
    expect(kernel.noted()).toEqual([
      "attach sluice_from_outside-2",
      "attach sluice_to_outside-2",
      "tell of 2",
      "attach sluice_to_outside-3",
      "attach sluice_from_pod-3",
      "tell of 3",
    ]);
  });

  it("is forgotten before its programs are detached, with what was counted of it", async () => {
    await devices.apply([external(2), device(3)]);
    kernel.counts.add(2).add(3);
    kernel.noted();
    await devices.apply([device(3)]);
    expect(kernel.noted()).toEqual([
      "forget 2",
      "detach sluice_from_outside-2",
      "detach sluice_to_outside-2",
    ]);
    expect([...kernel.counts]).toEqual([3]);
    expect([...kernel.entries.keys()]).toEqual([3]);
  });

  it("costs nothing while nothing changes", async () => {
    await devices.apply([external(2), device(3)]);
    kernel.noted();
    await devices.apply([external(2), device(3)]);
    await devices.verify();
    expect(kernel.noted()).toEqual([]);
  });

  it("is told of anew, and never forgotten, where only its path or MTU changes", async () => {
    await devices.apply([external(2)]);
    expect(kernel.entries.get(2)).toEqual({ flags: 0b0101, mtu: 1500 });
    kernel.noted();
    await devices.apply([external(2, { path: "stack", mtu: 9000 })]);
    expect(kernel.noted()).not.toContain("forget 2");
    expect(kernel.entries.get(2)).toEqual({ flags: 0b0001, mtu: 9000 });
  });

  it("that changes its role is forgotten until it has the programs of the other one", async () => {
    await devices.apply([device(2, { path: "peer" })]);
    expect(kernel.entries.get(2)).toEqual({ flags: 0b1110, mtu: 1500 });
    kernel.noted();
    await devices.apply([external(2)]);
    expect(kernel.noted()).toEqual([
      "forget 2",
      "attach sluice_from_outside-2",
      "attach sluice_to_outside-2",
      "detach sluice_from_pod-2",
      "tell of 2",
    ]);
  });

  it("that cannot be served is a problem that stops no other, and is tried again (PF-08)", async () => {
    kernel.refused.add("sluice_to_outside-2");
    await devices.apply([external(2), device(3)]);
    expect([...kernel.entries.keys()]).toEqual([3]);
    expect(devices.report()).toMatchObject([
      { name: "d2", hook: null, problem: "sluice_to_outside-2 is refused" },
      { name: "d3", hook: "tcx", problem: null },
    ]);
    kernel.noted();
    kernel.refused.clear();
    await devices.verify();
    expect(kernel.noted()).toEqual([
      "attach sluice_from_outside-2",
      "attach sluice_to_outside-2",
      "tell of 2",
    ]);
    expect(devices.report()).toMatchObject([{ hook: "tcx", problem: null }, {}]);
  });

  it("whose program somebody has detached gets it back", async () => {
    await devices.apply([external(2), device(3)]);
    kernel.noted();
    kernel.attached.delete("sluice_from_pod-3");
    await devices.verify();
    expect(kernel.noted()).toEqual([
      "attach sluice_to_outside-3",
      "attach sluice_from_pod-3",
      "tell of 3",
    ]);
  });

  it("whose program somebody has detached shows that until it is seen to stand again (PF-06)", async () => {
    await devices.apply([external(2), device(3)]);
    await devices.verify();
    expect(devices.detached()).toEqual([]);
    kernel.attached.delete("sluice_from_outside-2");
    kernel.attached.delete("sluice_to_outside-2");
    await devices.verify();
    expect(devices.detached()).toEqual(["d2 has lost sluice_from_outside and sluice_to_outside"]);
    expect(devices.reattached()).toEqual([
      { program: "sluice_from_outside", device: "d2", count: 1 },
      { program: "sluice_to_outside", device: "d2", count: 1 },
    ]);
    await devices.verify();
    expect(devices.detached()).toEqual([]);
    kernel.attached.delete("sluice_from_outside-2");
    await devices.verify();
    expect(devices.reattached()[0]).toEqual({
      program: "sluice_from_outside",
      device: "d2",
      count: 2,
    });
  });

  it("shows why its program cannot be attached again, and counts only what was (PF-06)", async () => {
    await devices.apply([device(3)]);
    kernel.attached.delete("sluice_from_pod-3");
    kernel.refused.add("sluice_from_pod-3");
    await devices.verify();
    await devices.verify();
    expect(devices.detached()).toEqual([
      "d3 has lost sluice_from_pod, which cannot be attached again: sluice_from_pod-3 is refused",
    ]);
    expect(devices.reattached()).toEqual([]);
    kernel.refused.clear();
    await devices.verify();
    expect(devices.reattached()).toEqual([{ program: "sluice_from_pod", device: "d3", count: 1 }]);
    await devices.verify();
    expect(devices.detached()).toEqual([]);
  });

  it("shows nothing as detached that could never be served, or has gone (PF-06)", async () => {
    kernel.refused.add("sluice_from_pod-3");
    await devices.apply([device(3), device(4)]);
    await devices.verify();
    kernel.attached.delete("sluice_from_pod-4");
    kernel.refused.add("sluice_from_pod-4");
    await devices.verify();
    expect(devices.detached()).toHaveLength(1);
    await devices.apply([device(3)]);
    expect(devices.detached()).toEqual([]);
  });

  it("that has gone, before the network says so, has not been robbed of its programs (PF-06)", async () => {
    await devices.apply([device(3), device(4)]);
    kernel.remove(3);
    await devices.verify();
    expect(devices.report()[0]).toMatchObject({ name: "d3", problem: "no such device" });
    expect(devices.detached()).toEqual([]);
    await devices.apply([device(4)]);
    expect(devices.detached()).toEqual([]);
    expect(devices.reattached()).toEqual([]);
  });
});

describe("a bridge", () => {
  const bridge = (...ports: number[]) => device(9, { path: "neighbour", ports });

  it("is told of after its ports are served, and carries no program", async () => {
    await devices.apply([bridge(10, 11), device(10), device(11)]);
    expect(kernel.noted()).toEqual([
      "attach sluice_to_outside-10",
      "attach sluice_from_pod-10",
      "tell of 10",
      "attach sluice_to_outside-11",
      "attach sluice_from_pod-11",
      "tell of 11",
      "tell of 9",
    ]);
    expect(kernel.entries.get(9)).toEqual({ flags: 0b0110, mtu: 1500 });
    expect(devices.report()[0]).toMatchObject({ hook: "ports", problem: null });
  });

  it("is forgotten while a port of it is not served", async () => {
    await devices.apply([bridge(10), device(10)]);
    kernel.refused.add("sluice_from_pod-11");
    await devices.apply([bridge(10, 11), device(10), device(11)]);
    expect([...kernel.entries.keys()]).toEqual([10]);
    expect(devices.report()[0]).toMatchObject({
      hook: null,
      problem: "its port 11 does not carry our program",
    });
    kernel.refused.clear();
    await devices.verify();
    expect([...kernel.entries.keys()].sort()).toEqual([10, 11, 9]);
  });
});

describe("what an agent left behind", () => {
  const inherit = async (...hooks: DeviceHook[]) => {
    for (const hook of hooks) {
      await mkdir(pins.device(hook.program, hook.ifindex));
      kernel.attached.add(keyOf(hook));
      kernel.entries.set(hook.ifindex, { flags: 2, mtu: 1500 });
    }
    devices = devicesWith(programs);
  };
  const pod = (ifindex: number) => ({ program: "sluice_from_pod", ifindex }) as const;

  it("stays at devices that are served still, and goes from the others (PF-02, PF-05)", async () => {
    await inherit(pod(3), pod(4));
    kernel.entries.set(5, { flags: 2, mtu: 1500 });
    await devices.apply([device(3)]);
    expect(kernel.noted()).toEqual([
      "forget 4",
      "detach sluice_from_pod-4",
      "forget 5",
      "attach sluice_to_outside-3",
      "attach sluice_from_pod-3",
      "tell of 3",
    ]);
  });

  it("goes on where the kernel refuses the programs of this one (PF-04, PF-07)", async () => {
    await inherit(pod(3), { program: "sluice_to_outside", ifindex: 3 });
    devices = devicesWith(undefined);
    await devices.apply([device(3), device(4)]);
    expect([...kernel.attached]).toEqual(["sluice_from_pod-3", "sluice_to_outside-3"]);
    expect([...kernel.entries.keys()]).toEqual([3]);
    expect(devices.report()).toMatchObject([
      { index: 3, problem: null },
      { index: 4, problem: "the kernel refuses the programs" },
    ]);
  });
});

describe("while a device is being served", () => {
  it("what is asked for meanwhile is done next, and each asker waits for it", async () => {
    const first = devices.apply([device(3), device(4), device(5)]);
    const second = devices.apply([device(5), external(6)]);
    await first;
    expect([...kernel.entries.keys()].sort()).toEqual([5, 6]);
    expect([...kernel.attached].sort()).toEqual([
      "sluice_from_outside-6",
      "sluice_from_pod-5",
      "sluice_to_outside-5",
      "sluice_to_outside-6",
    ]);
    await second;
  });

  it("the others are told of as about to be", async () => {
    const working = devices.apply([device(3), device(4)]);
    expect(devices.report()).toMatchObject([
      { index: 3, hook: null, problem: null },
      { index: 4, hook: null, problem: null },
    ]);
    await working;
    expect(devices.report()).toMatchObject([{ hook: "tcx" }, { hook: "tcx" }]);
  });

  it("external devices come first, and bridges last", async () => {
    await devices.apply([device(9, { ports: [10] }), device(10), external(11)]);
    expect(kernel.noted().filter((line) => line.startsWith("tell"))).toEqual([
      "tell of 11",
      "tell of 10",
      "tell of 9",
    ]);
  });
});

it("nothing is attached once the pins were taken away under the agent", async () => {
  await devices.apply([device(3)]);
  await rm(pins.root, { recursive: true });
  kernel.attached.clear();
  kernel.noted();
  await devices.verify();
  expect(kernel.noted()).toEqual(["forget 3"]);
  expect(devices.report()).toMatchObject([
    { hook: null, problem: "the pins were removed: restart the agent" },
  ]);
});
