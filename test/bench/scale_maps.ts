import { mkdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { bpfObjectPath } from "../../agent/assets.ts";
import { type Datapath, openDatapath } from "../../agent/datapath/open.ts";
import { removePinned } from "../../agent/datapath/remove.ts";
import { cgroupRoot } from "../harness/cgroup.ts";
import { bpffs, ownPrefix } from "../harness/leftovers.ts";

let made = 0;

/** Real maps of the default sizes, with the programs attached to a cgroup in which nothing runs. */
export class ScaleMaps implements AsyncDisposable {
  readonly datapath: Datapath;
  readonly #cgroup: string;
  readonly #pinPath: string;

  private constructor(cgroupPath: string, pinPath: string) {
    this.#cgroup = cgroupPath;
    this.#pinPath = pinPath;
    this.datapath = openDatapath({
      objectPath: bpfObjectPath("sock"),
      pinPath,
      cgroupPath,
      sizes: {},
    });
  }

  static async create(): Promise<ScaleMaps> {
    const name = `${ownPrefix}maps-${made++}`;
    const cgroup = join(await cgroupRoot(), name);
    await mkdir(cgroup);
    return new ScaleMaps(cgroup, join(bpffs, name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.datapath.close();
    removePinned(this.#pinPath, bpfObjectPath("sock"));
    await rmdir(this.#cgroup);
  }
}
