import { readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import {
  attachedPrograms,
  attachTcNetlink,
  attachTcx,
  type BpfProgram,
  findTcNetlink,
  inNetns,
  type LoadedObject,
  openObject,
} from "libbpf-ts";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { bpfObjectPath } from "../../agent/assets.ts";
import { isDatapathError } from "../../agent/datapath/datapath_error.ts";
import { foreignOfNetlink, foreignOfTcx } from "../../agent/datapath/device_foreign.ts";
import {
  type DeviceHook,
  type DeviceHooks,
  pinnedHooks,
} from "../../agent/datapath/device_hook.ts";
import { FILTER_PRIORITY, netlinkHooks } from "../../agent/datapath/device_netlink.ts";
import { tcxHooks } from "../../agent/datapath/device_tcx.ts";
import { type Pins, pinsAt } from "../../agent/datapath/pins.ts";
import { preparePins } from "../../agent/datapath/place.ts";
import { removePinned } from "../../agent/datapath/remove.ts";
import { bpffs, ownPrefix } from "../harness/leftovers.ts";
import { deleteNetns, ip, makeNetns, netnsPath } from "../harness/netns.ts";
import { loadForeign } from "./foreign.ts";

const netns = `${ownPrefix}hooks`;
const DEVICE = 77;
const ingress: DeviceHook = { program: "sluice_from_outside", ifindex: DEVICE };
const egress: DeviceHook = { program: "sluice_to_outside", ifindex: DEVICE };
const theirPlace = { ifindex: DEVICE, direction: "ingress", priority: 1, handle: 1 } as const;

let foreign: LoadedObject;
let older: LoadedObject;
let newer: LoadedObject;
let pins: Pins;

const load = (): LoadedObject => {
  using object = openObject(bpfObjectPath("tc"));
  for (const { name, section } of object.programs.values()) {
    if (section !== "tc") object.setAutoload(name, false);
  }
  return object.load();
};

beforeAll(async () => {
  foreign = await loadForeign();
  older = load();
  newer = load();
});
afterAll(() => {
  for (const object of [foreign, older, newer]) object?.close();
});
beforeEach(async () => {
  await makeNetns(netns);
  await makeDevice();
  pins = pinsAt(join(bpffs, `${ownPrefix}hooks`));
  preparePins(pins);
});
afterEach(async () => {
  await deleteNetns(netns);
  await rm(pins.root, { recursive: true, force: true });
});

const makeDevice = () => ip([`link add d0 index ${DEVICE} type bridge`], netns);
const inside = <T>(action: () => T): T => inNetns(netnsPath(netns), action);
/** What is begun inside goes on there. */
const attachBy = (hooks: DeviceHooks, hook: DeviceHook, from: LoadedObject) =>
  inside(() => ({ done: hooks.attach(hook, from.program(hook.program)) })).done;
const id = (program: BpfProgram): number => program.info.id;
const theirs = (): BpfProgram => foreign.program("foreign_tc");

interface Kind {
  readonly name: DeviceHooks["kind"];
  readonly make: (pins: Pins) => DeviceHooks;
  /** Ids of our program at the ingress, and of what else is attached in the same way. */
  readonly ids: () => { readonly ours: number | undefined; readonly others: readonly number[] };
}

const kinds: readonly Kind[] = [
  {
    name: "tcx",
    make: tcxHooks,
    ids: () => {
      const all = inside(() => attachedPrograms(DEVICE, "tcx_ingress"));
      const own = [older, newer].map((it) => id(it.program(ingress.program)));
      return {
        ours: all.find((each) => own.includes(each)),
        others: all.filter((each) => !own.includes(each)),
      };
    },
  },
  {
    name: "netlink",
    make: netlinkHooks,
    ids: () => {
      const at = (priority: number, handle: number) =>
        inside(() => findTcNetlink({ ...theirPlace, priority, handle })?.info.programId);
      const other = at(theirPlace.priority, theirPlace.handle);
      return { ours: at(FILTER_PRIORITY, 0x5c1ce), others: other === undefined ? [] : [other] };
    },
  },
];

describe.each(kinds)("programs at a device by $name", ({ make, ids, name }) => {
  let hooks: DeviceHooks;
  beforeEach(() => {
    hooks = make(pins);
  });
  const attach = (hook: DeviceHook, from: LoadedObject) => attachBy(hooks, hook, from);
  const isAttached = (hook: DeviceHook) => inside(() => hooks.programAt(hook) !== undefined);
  const detach = (hook: DeviceHook) => inside(() => ({ done: hooks.detach(hook) })).done;

  it("are attached until they are detached, each by itself", async () => {
    expect(hooks.kind).toBe(name);
    await attach(ingress, older);
    await attach(egress, older);
    expect([isAttached(ingress), isAttached(egress)]).toEqual([true, true]);
    await detach(ingress);
    expect([isAttached(ingress), isAttached(egress)]).toEqual([false, true]);
    expect(ids().ours).toBeUndefined();
    await detach(ingress);
  });

  it("are known to the next agent by their pins (PF-04)", async () => {
    await attach(ingress, older);
    await attach(egress, older);
    expect(pinnedHooks(pins)).toEqual(expect.arrayContaining([ingress, egress]));
    expect(pinnedHooks(pins)).toHaveLength(2);
    expect(inside(() => make(pins).programAt(egress))).toBe(id(older.program(egress.program)));
  });

  it("give way to others in their place, in one step (PF-04)", async () => {
    await attach(ingress, older);
    expect(ids().ours).toBe(id(older.program(ingress.program)));
    await attachBy(make(pins), ingress, newer);
    expect(ids()).toEqual({ ours: id(newer.program(ingress.program)), others: [] });
  });

  it("touch no program and no filter of somebody else (PF-05)", async () => {
    using link = inside(() => attachTcx(theirs(), DEVICE, "ingress"));
    inside(() => attachTcNetlink(theirs(), theirPlace));
    const standing = () => [
      ids().others,
      link.info.ifindex,
      inside(() => findTcNetlink(theirPlace)?.info.programId),
    ];
    const before = standing();
    expect(before[1]).toBe(DEVICE);
    await attach(ingress, older);
    expect(standing()).toEqual(before);
    await attach(ingress, newer);
    expect(standing()).toEqual(before);
    await detach(ingress);
    expect(standing()).toEqual(before);
    expect(before[2]).toBe(id(theirs()));
  });

  it("are not taken for attached at another device that has got the number", async () => {
    await attach(ingress, older);
    await ip(["link delete d0"], netns);
    await makeDevice();
    expect(isAttached(ingress)).toBe(false);
    await attach(ingress, newer);
    expect(isAttached(ingress)).toBe(true);
    expect(ids().ours).toBe(id(newer.program(ingress.program)));
  });

  it("are refused by the code for it where the device has gone", async () => {
    await attach(ingress, older);
    await ip(["link delete d0"], netns);
    await expect(attach(ingress, newer)).rejects.toMatchObject({ code: "ENODEV" });
  });

  it("leave no pin behind at a device that has gone", async () => {
    await attach(ingress, older);
    await ip(["link delete d0"], netns);
    expect(isAttached(ingress)).toBe(false);
    await detach(ingress);
    expect(readdirSync(pins.links)).toEqual([]);
  });

  it("go with a clean-up, from devices that have gone too, and others' stay (PF-05)", async () => {
    inside(() => attachTcNetlink(theirs(), theirPlace));
    using link = inside(() => attachTcx(theirs(), DEVICE, "egress"));
    await attach(ingress, older);
    await ip([`link add d1 index ${DEVICE + 1} type bridge`], netns);
    await attach({ ...ingress, ifindex: DEVICE + 1 }, older);
    await ip(["link delete d1"], netns);
    const { removed, problems } = inside(() => removePinned(pins.root, bpfObjectPath("sock")));
    expect(problems).toEqual([]);
    const gone = removed.map(({ kind, path }) => `${kind} ${path.slice(pins.root.length)}`);
    expect(gone.sort()).toEqual([
      "directory ",
      "directory /links",
      "directory /maps",
      `link /links/sluice_from_outside-${DEVICE}`,
      `link /links/sluice_from_outside-${DEVICE + 1}`,
    ]);
    expect(ids().ours).toBeUndefined();
    expect(inside(() => findTcNetlink(theirPlace)?.info.programId)).toBe(id(theirs()));
    expect(link.info.ifindex).toBe(DEVICE);
  });

  it("cannot be attached to a device that is not there", async () => {
    const missing = { ...ingress, ifindex: DEVICE + 1 };
    await expect(attach(missing, older)).rejects.toThrow();
    expect(isAttached(missing)).toBe(false);
    await detach(missing);
    expect(readdirSync(pins.links)).toEqual([]);
  });
});

describe("TCX", () => {
  it("shows what of others a redirected packet would miss", async () => {
    const hooks = tcxHooks(pins);
    const own = new Set([...older.programs.values()].map(id));
    const foreignAt = () => inside(() => foreignOfTcx(DEVICE, own, []));
    using before = inside(() => attachTcx(theirs(), DEVICE, "ingress"));
    expect(foreignAt()).toEqual({ ingress: false, egress: false });
    await attachBy(hooks, ingress, older);
    expect(foreignAt()).toEqual({ ingress: false, egress: false });
    await attachBy(hooks, egress, older);
    expect(foreignAt()).toEqual({ ingress: false, egress: false });
    before.detach();
    using after = inside(() => attachTcx(theirs(), DEVICE, "ingress"));
    expect(foreignAt()).toEqual({ ingress: true, egress: false });
    after.detach();
    using atEgress = inside(() => attachTcx(theirs(), DEVICE, "egress"));
    expect(foreignAt()).toEqual({ ingress: false, egress: true });
    atEgress.detach();
    const filter = { device: DEVICE, direction: "ingress", priority: 1 } as const;
    expect(inside(() => foreignOfTcx(DEVICE, own, [filter]))).toMatchObject({ ingress: true });
  });

  it("has nothing of others at a device that has gone", async () => {
    expect(inside(() => foreignOfTcx(DEVICE + 1, new Set(), []))).toEqual({
      ingress: false,
      egress: false,
    });
  });
});

describe("filters by netlink", () => {
  it("are refused their place where somebody else's stands, which stays (PF-05)", async () => {
    const place = { ...theirPlace, priority: FILTER_PRIORITY, handle: 0x5c1ce };
    inside(() => attachTcNetlink(theirs(), place));
    const hooks = netlinkHooks(pins);
    let refusal: unknown;
    try {
      await attachBy(hooks, ingress, older);
    } catch (error) {
      refusal = error;
    }
    expect(isDatapathError(refusal, "attach")).toBe(true);
    expect((refusal as Error).message).toContain('"tc filter show" shows it');
    await inside(() => ({ done: hooks.detach(ingress) })).done;
    expect(inside(() => findTcNetlink(place)?.info.programId)).toBe(id(theirs()));
  });

  it("of others after ours, or at the egress, would be missed", async () => {
    const at = (direction: "ingress" | "egress", priority: number) =>
      foreignOfNetlink([{ device: DEVICE, direction, priority }]);
    expect(at("ingress", 1)).toEqual({ ingress: false, egress: false });
    expect(at("ingress", FILTER_PRIORITY)).toEqual({ ingress: false, egress: false });
    expect(at("ingress", FILTER_PRIORITY + 1)).toEqual({ ingress: true, egress: false });
    expect(at("egress", 1)).toEqual({ ingress: false, egress: true });
    expect(at("egress", FILTER_PRIORITY)).toEqual({ ingress: false, egress: false });
  });
});
