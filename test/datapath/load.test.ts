import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bpfObjectPath } from "../../agent/assets.ts";
import { isDatapathError } from "../../agent/datapath/datapath_error.ts";
import { type Loaded, load } from "../../agent/datapath/load.ts";
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
  const sources = join(folder, "bpf");
  await mkdir(sources);
  await cp(bpf, sources, { recursive: true, filter: (path) => !/\/(build|layout)$/.test(path) });
  const source = join(sources, "sock.bpf.c");
  const text = await readFile(source, "utf8");
  for (const [pattern] of changes) expect(text).toMatch(pattern);
  await writeFile(
    source,
    changes.reduce((all, [from, to]) => all.replaceAll(from, to), text),
  );
  await command("make", ["-s", "-C", sources, "build/sock.bpf.o"]);
  return join(sources, "build/sock.bpf.o");
}

const iteratesNothing = [/iter\/bpf_sk_storage_map/g, "iter/no_such_map"] as const;
/** No kernel has a helper of this number. */
const withoutHelper = (name: string) =>
  [new RegExp(`\\b${name}\\(`, "g"), "((long (*)())9999)("] as const;

function loaded<T>(objectPath: string, judge: (loaded: Loaded) => T): T {
  const result = load(objectPath, pins, {});
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
      load(object, pins, {}).object.close();
    } catch (error) {
      refusal = error;
    }
    expect(isDatapathError(refusal, "kernel")).toBe(true);
    expect((refusal as Error).message).toMatch(/program\.load sluice_connect\d: .*unknown#9999/);
  });
});

/** libbpf looks for the kernel's types there first, and here there are none elsewhere. */
const withoutBtf = 'mount -t tmpfs none /sys/kernel/btf && exec "$@"';

it("an agent on a kernel without types of its own serves all the same (PF-07)", async () => {
  const main = join(import.meta.dirname, "../../agent/main.ts");
  const inner = ["sh", "-c", withoutBtf, "sh", process.execPath, main] as const;
  await using served = await ServedNode.start({ command: ["unshare", "--mount", ...inner] });
  const { features } = (await served.agent.status()).datapath;
  expect(states(features)).toEqual(["refuse-with-econnrefused on", "destroy-stale-sockets off"]);
  expect(features[1]?.reason).toContain("failed to find valid kernel BTF");
  const client = await served.node.makePod("client");
  const endpoints = [{ pod: await served.backend("one", { tcp: [8080] }) }];
  await served.publish({ name: "web", ip4: "10.96.9.1", ports: [tcp(80, 8080)], endpoints });
  const answer = { backend: "one", peer: "10.96.9.1:80" };
  expect(await ask(client, "tcp", "10.96.9.1", 80)).toMatchObject(answer);
});
