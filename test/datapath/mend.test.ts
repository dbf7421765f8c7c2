import { existsSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { attachCgroup, BpfLink, type LoadedObject } from "libbpf-ts";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { bpfObjectPath } from "../../agent/assets.ts";
import { isDatapathError } from "../../agent/datapath/datapath_error.ts";
import { type Datapath, openDatapath } from "../../agent/datapath/open.ts";
import { removePinned } from "../../agent/datapath/remove.ts";
import { cgroupRoot, makeCgroup, removeCgroup } from "../harness/cgroup.ts";
import { bpffs, ownPrefix } from "../harness/leftovers.ts";
import { loadForeign } from "./foreign.ts";

const pinPath = join(bpffs, `${ownPrefix}mend`);
const objectPath = bpfObjectPath("sock");
const linkOf = (program: string) => join(pinPath, "links", program);

let cgroupPath: string;
let foreign: LoadedObject;
let datapath: Datapath;

beforeAll(async () => {
  foreign = await loadForeign();
});
afterAll(() => foreign?.close());
beforeEach(async () => {
  cgroupPath = await makeCgroup(join(await cgroupRoot(), `${ownPrefix}mend`));
  const sizes = { services: 16, backends: 16, slots: 16, frontends: 16 };
  datapath = openDatapath({ objectPath, pinPath, cgroupPath, sizes });
});
afterEach(async () => {
  datapath?.close();
  removePinned(pinPath, objectPath);
  await removeCgroup(cgroupPath);
});

const detach = (program: string) => {
  using link = BpfLink.openPinned(linkOf(program));
  link.detach();
};
const detached = () =>
  datapath
    .programs()
    .flatMap(({ name, attached, reason }) => (attached ? [] : [`${name}: ${reason}`]));

describe("mending", () => {
  it("finds nothing to do where all programs run (PF-06)", () => {
    expect(detached()).toEqual([]);
    expect(datapath.mend()).toEqual([]);
  });

  it("attaches what was detached, and what has lost its pin (PF-06)", () => {
    detach("sluice_connect4");
    unlinkSync(linkOf("sluice_recvmsg6"));
    expect(detached()).toEqual([
      "sluice_recvmsg6: its link is not pinned",
      "sluice_connect4: it was detached, or its cgroup is gone",
    ]);
    expect(datapath.mend()).toEqual(["sluice_recvmsg6", "sluice_connect4"]);
    expect(detached()).toEqual([]);
  });

  it("puts a program of ours in place of another at our link, and lets one beside it be (PF-05, PF-06)", () => {
    using beside = attachCgroup(
      foreign.program("foreign_connect4"),
      cgroupPath,
      "cgroup_inet4_connect",
    );
    using ours = BpfLink.openPinned(linkOf("sluice_connect4"));
    const own = ours.info.programId;
    ours.update(foreign.program("foreign_connect4"));
    expect(datapath.mend()).toEqual(["sluice_connect4"]);
    using mended = BpfLink.openPinned(linkOf("sluice_connect4"));
    expect(mended.info.programId).toBe(own);
    expect(beside.info.cgroupId).not.toBe(0n);
  });

  it("follows the cgroup where another one stands at its path (PF-06)", async () => {
    await removeCgroup(cgroupPath);
    await makeCgroup(cgroupPath);
    expect(detached()).toHaveLength(9);
    expect(datapath.mend()).toHaveLength(9);
    expect(detached()).toEqual([]);
  });

  it("names the cgroup where none is there, and reads what is attached all the same (PF-06)", async () => {
    await removeCgroup(cgroupPath);
    expect(detached()).toHaveLength(9);
    expect(() => datapath.mend()).toThrow(cgroupPath);
    await makeCgroup(cgroupPath);
  });

  it("brings nothing back where the pins were removed: it would outlive them (PF-06)", () => {
    removePinned(pinPath, objectPath);
    expect(existsSync(pinPath)).toBe(false);
    let error: unknown;
    try {
      datapath.mend();
    } catch (thrown) {
      error = thrown;
    }
    expect(isDatapathError(error, "attach")).toBe(true);
    expect((error as Error).message).toBe("the pins were removed: restart the agent");
    expect(existsSync(pinPath)).toBe(false);
  });
});
