import { readdirSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bpfObjectPath } from "../../agent/assets.ts";
import { isDatapathError } from "../../agent/datapath/datapath_error.ts";
import { openDevicePrograms } from "../../agent/datapath/device_open.ts";
import { DevicePrograms } from "../../agent/datapath/device_programs.ts";
import { type Loaded, load } from "../../agent/datapath/load.ts";
import { sockParts } from "../../agent/datapath/optional_parts.ts";
import { type Pins, pinsAt } from "../../agent/datapath/pins.ts";
import { preparePins } from "../../agent/datapath/place.ts";
import type { FeatureReport } from "../../agent/datapath/report.ts";
import { command } from "../harness/command.ts";
import { bpffs, ownPrefix } from "../harness/leftovers.ts";
import { ask } from "./ask.ts";
import { tcp } from "./manifests.ts";
import { ServedNode } from "./served_node.ts";

const bpf = join(import.meta.dirname, "../../bpf");

let pins: Pins;
let folder: string;
beforeEach(async () => {
  pins = pinsAt(join(bpffs, `${ownPrefix}load`));
  preparePins(pins);
  folder = await mkdtemp(join(tmpdir(), `${ownPrefix}load-`));
});
afterEach(async () => {
  await rm(pins.root, { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
});

/** The shipped programs, compiled after some of their text has been replaced. */
async function objectWith(...changes: readonly (readonly [RegExp, string])[]): Promise<string> {
  return await changed("sock", changes);
}

async function changed(
  name: "sock" | "tc",
  changes: readonly (readonly [RegExp, string])[],
  file = `${name}.bpf.c`,
): Promise<string> {
  const sources = join(folder, "bpf");
  await mkdir(sources);
  await cp(bpf, sources, { recursive: true, filter: (path) => !/\/(build|layout)$/.test(path) });
  const source = join(sources, file);
  const text = await readFile(source, "utf8");
  for (const [pattern] of changes) expect(text).toMatch(pattern);
  await writeFile(
    source,
    changes.reduce((all, [from, to]) => all.replaceAll(from, to), text),
  );
  await command("make", ["-s", "-C", sources, `build/${name}.bpf.o`]);
  return join(sources, `build/${name}.bpf.o`);
}

const iteratesNothing = [/iter\/bpf_sk_storage_map/g, "iter/no_such_map"] as const;
/** No kernel has a helper of this number. */
const withoutHelper = (name: string) =>
  [new RegExp(`\\b${name}\\(`, "g"), "((long (*)())9999)("] as const;

const loadSock = (objectPath: string): Loaded =>
  load({ objectPath, pins, sizes: {}, pinsMaps: true, parts: sockParts });

function loaded<T>(objectPath: string, judge: (loaded: Loaded) => T): T {
  const result = loadSock(objectPath);
  try {
    return judge(result);
  } finally {
    result.object.close();
  }
}

const states = (features: readonly FeatureReport[]): readonly string[] =>
  features.map(({ name, state }) => `${name} ${state}`);

describe("the programs are loaded", () => {
  it("whole where the kernel has all that they use", () => {
    loaded(bpfObjectPath("sock"), ({ object, features }) => {
      expect(states(features)).toEqual(["refuse-with-econnrefused on", "destroy-stale-sockets on"]);
      expect(object.programs.has("sluice_stale_udp")).toBe(true);
    });
  });

  it("without the iterator where the kernel has no such iterator (PF-07)", async () => {
    loaded(await objectWith(iteratesNothing), ({ object, features }) => {
      expect(states(features)).toEqual([
        "refuse-with-econnrefused on",
        "destroy-stale-sockets off",
      ]);
      expect(features[1]?.reason).toMatch(
        /^connected UDP sockets stay with backends that have gone; .*'no_such_map'/,
      );
      expect([...object.programs.keys()]).toHaveLength(9);
    });
  });

  it("without the iterator and the errno where the kernel has neither (PF-07)", async () => {
    const object = await objectWith(iteratesNothing, withoutHelper("bpf_set_retval"));
    loaded(object, ({ features }) => {
      expect(states(features)).toEqual([
        "refuse-with-econnrefused off",
        "destroy-stale-sockets off",
      ]);
    });
  });

  it("not at all where more is missing, which the error names", async () => {
    const object = await objectWith(iteratesNothing, withoutHelper("bpf_get_netns_cookie"));
    let refusal: unknown;
    try {
      loadSock(object).object.close();
    } catch (error) {
      refusal = error;
    }
    expect(isDatapathError(refusal, "kernel")).toBe(true);
    expect((refusal as Error).message).toMatch(/program\.load sluice_connect\d: .*unknown#9999/);
  });
});

describe("the per-packet programs are loaded", () => {
  const open = (objectPath: string) => {
    loaded(bpfObjectPath("sock"), () => undefined);
    const { programs, features } = openDevicePrograms(objectPath, pins);
    programs?.close();
    return { programs, features };
  };

  it("over the maps that stand, and pin none of their own", () => {
    loaded(bpfObjectPath("sock"), ({ object }) => {
      const before = readdirSync(pins.maps);
      const programs = new DevicePrograms(bpfObjectPath("tc"), pins);
      expect(programs.object.map("devices").info.id).toBe(object.map("devices").info.id);
      expect(programs.object.map("flows").info.id).toBe(object.map("flows").info.id);
      expect(readdirSync(pins.maps)).toEqual(before);
      programs.close();
    });
  });

  it("again for devices without a link-layer header, when there is one", () => {
    loaded(bpfObjectPath("sock"), () => {
      const programs = new DevicePrograms(bpfObjectPath("tc"), pins);
      const idOf = (hasMacHeader: boolean) =>
        programs.program("sluice_from_outside", hasMacHeader).info.id;
      expect(idOf(true)).toBe(programs.object.program("sluice_from_outside").info.id);
      const before = programs.ids.size;
      const headless = idOf(false);
      expect(headless).not.toBe(idOf(true));
      expect(programs.ids.has(headless)).toBe(true);
      expect(programs.ids.size).toBe(before + 3);
      expect(idOf(false)).toBe(headless);
      programs.close();
    });
  });

  it("whole where the kernel has all that they use", () => {
    expect(states(open(bpfObjectPath("tc")).features)).toEqual([
      "serve-packets on",
      "coarse-clock on",
      "expire-flows on",
    ]);
  });

  it("without the iterator where the kernel has no such iterator (PF-07)", async () => {
    const gone = [[/iter\/bpf_map_elem/g, "iter/no_such_map"]] as const;
    const { programs, features } = open(await changed("tc", gone, "expire.h"));
    expect(states(features)).toEqual(["serve-packets on", "coarse-clock on", "expire-flows off"]);
    expect(programs).toBeDefined();
  });

  it("not at all where the kernel refuses one, which status tells (PF-07)", async () => {
    const object = await changed("tc", [
      [/int sluice_from_pod\(struct __sk_buff \*skb\)\n{/g, "$&\n((long (*)())9999)();"],
    ]);
    const { programs, features } = open(object);
    expect(programs).toBeUndefined();
    expect(features).toEqual([
      {
        name: "serve-packets",
        state: "off",
        reason: expect.stringMatching(
          /^traffic from outside, and from pods that bypass the socket, is not served: the kernel does not take the eBPF programs .*program\.load sluice_from_pod: .*9999/,
        ),
      },
    ]);
  });
});

/** libbpf looks for the kernel's types there first, and here there are none elsewhere. */
const withoutBtf = 'mount -t tmpfs none /sys/kernel/btf && exec "$@"';

it("an agent on a kernel without types of its own serves all the same (PF-07)", async () => {
  const main = join(import.meta.dirname, "../../agent/main.ts");
  const inner = ["sh", "-c", withoutBtf, "sh", process.execPath, main] as const;
  await using served = await ServedNode.start({ command: ["unshare", "--mount", ...inner] });
  const { features } = (await served.agent.status()).datapath;
  expect(states(features)).toEqual([
    "refuse-with-econnrefused on",
    "destroy-stale-sockets off",
    "serve-packets on",
    "coarse-clock on",
    "expire-flows off",
    "probe on",
  ]);
  expect(features[1]?.reason).toContain("failed to find valid kernel BTF");
  const client = await served.node.makePod("client");
  const endpoints = [{ pod: await served.backend("one", { tcp: [8080] }) }];
  await served.publish({ name: "web", ip4: "10.96.9.1", ports: [tcp(80, 8080)], endpoints });
  const answer = { backend: "one", peer: "10.96.9.1:80" };
  expect(await ask(client, "tcp", "10.96.9.1", 80)).toMatchObject(answer);
});
