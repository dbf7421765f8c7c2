import { closeSync, constants, existsSync, mkdirSync, openSync, rmdirSync } from "node:fs";
import {
  attachCgroup,
  attachedPrograms,
  attachIter,
  attachTcNetlink,
  attachTcx,
  attachTcxAsync,
  BpfLink,
  BpfProgram,
  findTcNetlink,
  inNetns,
  isClosed,
  isNotFound,
  isPermission,
  isUnsupported,
  type Link,
  type LoadedObject,
  rawAttachProgram,
  rawDetachProgram,
} from "libbpf-ts";
import { describe, expect, it, onTestFinished } from "vitest";
import { errorOf, load } from "./support/object.ts";
import { bpffs, cgroup, type Netns, netns } from "./support/place.ts";
import { runModule } from "./support/process.ts";

interface Subject {
  readonly kind: string;
  readonly first: string;
  readonly second: string;
  readonly pinnable: boolean;
  readonly detachable: boolean;
  /** A way to attach to one place, again and again. */
  prepare(object: LoadedObject): (program: BpfProgram) => Link;
}

/** Every call on an interface is made inside its namespace. */
function within(place: Netns, link: Link): Link {
  return {
    get info() {
      return inNetns(place.path, () => link.info);
    },
    update: (program) => inNetns(place.path, () => link.update(program)),
    pin: (path) => link.pin(path),
    unpin: () => link.unpin(),
    detach: () => inNetns(place.path, () => link.detach()),
    close: () => link.close(),
    [Symbol.dispose]: () => link.close(),
  };
}

const subjects: readonly Subject[] = [
  {
    kind: "cgroup",
    first: "redirect",
    second: "refuse_all",
    pinnable: true,
    detachable: true,
    prepare() {
      const path = cgroup();
      return (program) => attachCgroup(program, path, "cgroup_inet4_connect");
    },
  },
  {
    kind: "tcx",
    first: "observe",
    second: "pass",
    pinnable: true,
    detachable: true,
    prepare() {
      const place = netns();
      return (program) => inNetns(place.path, () => attachTcx(program, place.ifindex, "ingress"));
    },
  },
  {
    kind: "iter",
    first: "list_sockets",
    second: "list_nothing",
    pinnable: true,
    detachable: false,
    prepare: (object) => (program) => attachIter(program, { map: object.map("sockets") }),
  },
  {
    kind: "tc",
    first: "observe",
    second: "pass",
    pinnable: false,
    detachable: true,
    prepare() {
      const place = netns();
      const { ifindex } = place;
      const at = { ifindex, direction: "ingress", priority: 7, handle: 3, replace: true } as const;
      return (program) =>
        within(
          place,
          inNetns(place.path, () => attachTcNetlink(program, at)),
        );
    },
  },
];

describe.each(subjects)("a $kind link", (subject) => {
  const attachFirst = (): {
    link: Link;
    object: LoadedObject;
    attach: (program: BpfProgram) => Link;
  } => {
    const object = load();
    const attach = subject.prepare(object);
    const link = attach(object.program(subject.first));
    onTestFinished(() => link.close());
    return { link, object, attach };
  };

  it("tells its kind and the program that it runs", () => {
    const { link, object } = attachFirst();
    expect(link.info).toMatchObject({
      kind: subject.kind,
      programId: object.program(subject.first).info.id,
    });
  });

  it("runs another program after an update, as the same link", () => {
    const { link, object } = attachFirst();
    const { id } = link.info;
    link.update(object.program(subject.second));
    expect(link.info).toMatchObject({ id, programId: object.program(subject.second).info.id });
    expect(() => link.update({} as BpfProgram)).toThrow("that is no BpfProgram");
  });

  it("keeps running where its object has closed", () => {
    const { link, object } = attachFirst();
    const { programId } = link.info;
    object.close();
    expect(link.info.programId).toBe(programId);
  });

  it("is pinned, opened from the pin, updated there and unpinned, or says that it cannot be", () => {
    const { link, object } = attachFirst();
    const path = `${bpffs()}/link`;
    if (!subject.pinnable) {
      expect(isUnsupported(errorOf(() => link.pin(path)))).toBe(true);
      link.unpin();
      return;
    }
    link.pin(path);
    const again = BpfLink.openPinned(path);
    onTestFinished(() => again.close());
    expect(again.info).toEqual(link.info);
    again.update(object.program(subject.second));
    expect(link.info.programId).toBe(object.program(subject.second).info.id);
    again.unpin();
    again.unpin();
    link.unpin();
    expect(existsSync(path)).toBe(false);
  });

  it("leaves its place free once detached", () => {
    const { link, object, attach } = attachFirst();
    if (!subject.detachable) {
      expect(isUnsupported(errorOf(() => link.detach()))).toBe(true);
      return;
    }
    link.detach();
    const next = attach(object.program(subject.second));
    expect(next.info.programId).toBe(object.program(subject.second).info.id);
    next.close();
  });

  it("closes twice without harm, and refuses all else from then on", () => {
    const { link, object } = attachFirst();
    link.close();
    link.close();
    expect(isClosed(errorOf(() => link.info))).toBe(true);
    expect(isClosed(errorOf(() => link.update(object.program(subject.second))))).toBe(true);
    expect(isClosed(errorOf(() => link.detach()))).toBe(true);
  });
});

describe("pinned links", () => {
  it("outlive the process that made them", () => {
    const directory = bpffs();
    const group = cgroup();
    const made = runModule(`
      import { openObject, attachCgroup } from "libbpf-ts";
      const object = openObject("test/build/everything.bpf.o").load();
      const program = object.program("refuse_all");
      attachCgroup(program, ${JSON.stringify(group)}, "cgroup_inet4_connect").pin("${directory}/l");
      object.map("endpoints").update(new Uint8Array(4), new Uint8Array(32).fill(6));
      object.map("endpoints").pin("${directory}/m");
      program.pin("${directory}/p");
      console.log(program.info.id);
    `);
    expect(made.stderr).toBe("");
    const link = BpfLink.openPinned(`${directory}/l`);
    expect(link.info).toMatchObject({ kind: "cgroup", programId: Number(made.stdout) });
    link.unpin();
    link.close();
    const read = runModule(`
      import { BpfMap, BpfProgram } from "libbpf-ts";
      console.log(BpfMap.openPinned("${directory}/m").lookup(new Uint8Array(4))[31]);
      console.log(BpfProgram.openPinned("${directory}/p").name);
    `);
    expect(read.stdout).toBe("6\nrefuse_all\n");
  });

  it("of another kind, or absent, are refused", () => {
    const directory = bpffs();
    load().map("endpoints").pin(`${directory}/m`);
    expect(errorOf(() => BpfLink.openPinned(`${directory}/m`))).toMatchObject({ code: "EINVAL" });
    expect(isNotFound(errorOf(() => BpfLink.openPinned(`${directory}/none`)))).toBe(true);
    expect(() => BpfLink.openPinned("")).toThrow("a pin's path is a text");
  });
});

describe("cgroups", () => {
  it("run all that is attached, and say what is", () => {
    const object = load();
    const path = cgroup();
    const attach = (name: string) =>
      attachCgroup(object.program(name), path, "cgroup_inet4_connect");
    using first = attach("redirect");
    using second = attach("refuse_all");
    expect(first.info.attachType).toBe("cgroup_inet4_connect");
    expect(first.info.cgroupId).toBe(second.info.cgroupId);
    expect(
      isNotFound(errorOf(() => attachCgroup(object.program("pass"), "/none", "lsm_mac"))),
    ).toBe(true);
    expect(
      errorOf(() => attachCgroup(object.program("redirect"), 999_999, "cgroup_inet4_connect")),
    ).toMatchObject({ code: "EBADF" });
    expect(() => attachCgroup(object.program("redirect"), path, "nonsense" as "lsm_mac")).toThrow(
      'no attach type is called "nonsense"',
    );
  });
});

describe("a program attached to a cgroup without a link", () => {
  const connect4 = "cgroup_inet4_connect";
  const attached = (path: string): number[] => {
    const fd = openSync(path, constants.O_RDONLY);
    try {
      return attachedPrograms(fd, connect4);
    } finally {
      closeSync(fd);
    }
  };
  const below = (path: string): string => {
    const child = `${path}/below`;
    mkdirSync(child);
    onTestFinished(() => rmdirSync(child));
    return child;
  };

  it("stays when its object has closed, until it is detached", () => {
    const path = cgroup();
    const object = load();
    rawAttachProgram(object.program("redirect"), path, connect4, "multi");
    const [id = 0] = attached(path);
    expect(id).toBe(object.program("redirect").info.id);
    object.close();
    expect(attached(path)).toEqual([id]);
    using again = BpfProgram.openById(id);
    rawDetachProgram(again, path, connect4);
    expect(attached(path)).toEqual([]);
    expect(isNotFound(errorOf(() => rawDetachProgram(again, path, connect4)))).toBe(true);
  });

  it.each([
    { sharing: "none", beside: false, under: false },
    { sharing: "override", beside: false, under: true },
    { sharing: "multi", beside: true, under: true },
  ] as const)(
    'lets links beside it or below it as "$sharing" says',
    ({ sharing, beside, under }) => {
      const path = cgroup();
      const child = below(path);
      const object = load();
      rawAttachProgram(object.program("redirect"), path, connect4, sharing);
      const admits = (place: string): boolean => {
        try {
          attachCgroup(object.program("refuse_all"), place, connect4).close();
          return true;
        } catch (error) {
          expect(error).toMatchObject({
            operation: "attachCgroup",
            code: "EPERM",
            message:
              "attachCgroup refuse_all: EPERM (not permitted: a program there or above it allows no others, or a capability is missing)",
          });
          return false;
        }
      };
      expect({ beside: admits(path), under: admits(child) }).toEqual({ beside, under });
    },
  );

  it("leaves nothing to others unless it is said, and goes whichever program is named", () => {
    const path = cgroup();
    const fd = openSync(path, constants.O_RDONLY);
    onTestFinished(() => closeSync(fd));
    const object = load();
    rawAttachProgram(object.program("redirect"), fd, connect4);
    expect(
      isPermission(
        errorOf(() => rawAttachProgram(object.program("refuse_all"), path, connect4, "multi")),
      ),
    ).toBe(true);
    rawDetachProgram(object.program("refuse_all"), fd, connect4);
    expect(attached(path)).toEqual([]);
  });

  it("is refused where the place or the sharing is none", () => {
    const program = load().program("redirect");
    expect(errorOf(() => rawAttachProgram(program, "/none", connect4))).toMatchObject({
      operation: "rawAttachProgram",
      code: "ENOENT",
    });
    expect(errorOf(() => rawDetachProgram(program, 999_999, connect4))).toMatchObject({
      operation: "rawDetachProgram",
      code: "EBADF",
    });
    expect(() => rawAttachProgram(program, "/tmp", connect4, "toString" as "none")).toThrow(
      "none, override or multi",
    );
  });
});

describe("TC by netlink", () => {
  it("takes a place once, leaves other filters alone, and the qdisc too", () => {
    const object = load();
    const place = netns();
    const at = { ifindex: place.ifindex, direction: "egress", priority: 2, handle: 1 } as const;
    inNetns(place.path, () => {
      const ours = attachTcNetlink(object.program("observe"), at);
      expect(() => attachTcNetlink(object.program("pass"), at)).toThrow("EEXIST");
      const other = attachTcNetlink(object.program("pass"), { ...at, priority: 3 });
      expect(findTcNetlink(at)?.info).toEqual(ours.info);
      ours.detach();
      ours.detach();
      expect(findTcNetlink(at)).toBeUndefined();
      expect(other.info.programId).toBe(object.program("pass").info.id);
    });
    expect(place.run("tc", "qdisc", "show", "dev", place.device)).toContain("clsact");
    expect(place.run("tc", "filter", "show", "dev", place.device, "egress")).toContain("pref 3");
  });

  it("does not detach a program that another put in its place", () => {
    const object = load();
    const place = netns();
    const at = { ifindex: place.ifindex, direction: "ingress", priority: 2, handle: 1 } as const;
    inNetns(place.path, () => {
      const ours = attachTcNetlink(object.program("observe"), at);
      const theirs = attachTcNetlink(object.program("pass"), { ...at, replace: true });
      expect(errorOf(() => ours.detach())).toMatchObject({ code: "EBUSY" });
      expect(theirs.info.programId).toBe(object.program("pass").info.id);
    });
  });

  it("refuses an interface that is not there and places that are none", () => {
    const program = load().program("pass");
    const at = { ifindex: 0x7ffffff0, direction: "ingress", priority: 2, handle: 1 } as const;
    expect(errorOf(() => attachTcNetlink(program, at))).toMatchObject({ code: "ENODEV" });
    expect(() => attachTcNetlink(program, { ...at, priority: 0 })).toThrow("are 1 or more");
    expect(() => attachTcNetlink(program, { ...at, direction: "up" as "egress" })).toThrow(
      "ingress or egress",
    );
  });
});

describe("TCX", () => {
  it("runs on packets of the interface, beside the programs already there", () => {
    const object = load();
    const place = netns();
    inNetns(place.path, () => {
      using _first = attachTcx(object.program("pass"), place.ifindex, "egress");
      using second = attachTcx(object.program("observe"), place.ifindex, "egress");
      expect(second.info).toMatchObject({ ifindex: place.ifindex, attachType: "tcx_egress" });
      expect(attachedPrograms(place.ifindex, "tcx_egress")).toEqual([
        object.program("pass").info.id,
        object.program("observe").info.id,
      ]);
    });
    expect(() => attachTcx(object.program("pass"), 1, "up" as "egress")).toThrow(
      "ingress or egress",
    );
  });

  /** What is begun inside a namespace goes on there, on whatever thread. */
  const begunIn = (place: Netns, program: BpfProgram, ifindex = place.ifindex) =>
    inNetns(place.path, () => ({ link: attachTcxAsync(program, ifindex, "ingress") })).link;

  it("is attached and detached on the thread pool, in the caller's namespace", async () => {
    const object = load();
    const place = netns();
    const program = object.program("pass");
    using link = await begunIn(place, program);
    expect(link.info).toMatchObject({
      kind: "tcx",
      ifindex: place.ifindex,
      programId: program.info.id,
    });
    const attached = () =>
      inNetns(place.path, () => attachedPrograms(place.ifindex, "tcx_ingress"));
    expect(attached()).toEqual([program.info.id]);
    await link.detachAsync();
    expect(attached()).toEqual([]);
    expect(link.info.ifindex).toBe(0);
  });

  it("is attached although the program's handle is closed meanwhile", async () => {
    const object = load();
    const place = netns();
    const { id } = object.program("pass").info;
    const attaching = begunIn(place, object.program("pass"));
    object.close();
    using link = await attaching;
    expect(link.info.programId).toBe(id);
  });

  it("says on the thread pool, too, what it cannot be attached to", async () => {
    const place = netns();
    const program = load().program("pass");
    await expect(begunIn(place, program, 0x7ffffff0)).rejects.toMatchObject({
      code: "ENODEV",
      operation: "attachTcx",
      target: "pass to interface 2147483632",
    });
    await expect(attachTcxAsync(program, 1, "up" as "egress")).rejects.toThrow("ingress or egress");
    const link = await begunIn(place, program);
    link.close();
    await expect(link.detachAsync()).rejects.toMatchObject({ code: "EBADF" });
  });

  it("leaves the event loop to others while it is attached", async () => {
    const object = load();
    const place = netns();
    let isAttached = false;
    const attaching = begunIn(place, object.program("pass")).then((link) => {
      isAttached = true;
      return link;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(isAttached).toBe(false);
    (await attaching).close();
  });
});
