import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestAgent } from "../harness/agent.ts";
import { until } from "../harness/until.ts";
import { fileOf, serviceYaml, sliceYaml } from "./bad_input_manifest.ts";
import { BadInputNode } from "./bad_input_node.ts";

let bad: BadInputNode;
beforeAll(async () => {
  bad = await BadInputNode.create();
});
afterAll(() => bad?.[Symbol.asyncDispose]());

describe("a folder with faults", () => {
  let folder: string;
  let agent: TestAgent;

  beforeAll(async () => {
    folder = await bad.folderOf({
      "good.yaml": bad.right("good", "10.96.1.1"),
      "invalid.yaml": `a: [1, 2\n---\n${bad.right("beside-invalid", "10.96.1.2")}`,
      "unknown.yaml": fileOf(
        serviceYaml({
          name: "unknown",
          clusterIP: "10.96.1.3",
          spec: "ports: [{port: 80}]\n  sessionAfinity: ClientIP",
        }),
        sliceYaml("unknown", [bad.web.ip4]),
      ),
      "portless.yaml": serviceYaml({ name: "portless", clusterIP: "10.96.1.4", spec: "ports: []" }),
      "repeated.yaml": fileOf(
        serviceYaml({ name: "repeated", clusterIP: "10.96.1.5" }),
        sliceYaml("repeated", [bad.web.ip4, bad.web.ip4]),
      ),
      "taken.yaml": bad.right("taken", "10.96.1.1"),
      "family.yaml": fileOf(
        serviceYaml({ name: "family", clusterIP: "10.96.1.6" }),
        sliceYaml("family", ["fd00:10:244:1::99", bad.web.ip4]),
      ),
    });
    await mkdir(join(folder, "folder.yaml"));
    await symlink("nowhere", join(folder, "dangling.yaml"));
    agent = await TestAgent.start({ node: bad.node, source: { folder } });
  });
  afterAll(() => agent?.[Symbol.asyncDispose]());

  const problemsAt = async (target: RegExp) => {
    const { problems } = await agent.status();
    return problems.filter((each) => target.test(each.target));
  };

  it("does not keep the right ones in it from being served", async () => {
    expect(await bad.ask("10.96.1.1")).toBe("web");
  });

  it("says that a file cannot be read, and how to mend it", async () => {
    expect(await problemsAt(/^(folder|dangling)\.yaml/)).toEqual([
      {
        target: "dangling.yaml",
        message: "cannot be read: it does not exist; create it, or mend the link that leads to it",
      },
      {
        target: "folder.yaml",
        message: "cannot be read: it is a folder; folders inside are not searched",
      },
    ]);
  });

  it("says at which line YAML is invalid, and serves the file's other documents", async () => {
    expect(await problemsAt(/^invalid\.yaml/)).toEqual([
      {
        target: "invalid.yaml:2:1",
        message: expect.stringMatching(/^is not valid YAML: Flow sequence in block collection/),
      },
    ]);
    expect(await bad.ask("10.96.1.2")).toBe("web");
  });

  it("says which field was probably meant by an unknown one, and serves the rest", async () => {
    expect(await problemsAt(/^unknown\.yaml/)).toEqual([
      {
        target: "unknown.yaml:7",
        message:
          "spec.sessionAfinity is no field that Kubernetes knows here and is ignored; did you mean sessionAffinity?",
      },
    ]);
    expect(await bad.ask("10.96.1.3")).toBe("web");
  });

  it("says that a Service needs a port", async () => {
    expect(await problemsAt(/^portless\.yaml/)).toEqual([
      {
        target: "portless.yaml:6",
        message: "spec.ports is empty: a Service needs at least one port",
      },
    ]);
  });

  it("counts an address that is listed twice once, and says so", async () => {
    expect(await problemsAt(/^repeated\.yaml/)).toEqual([
      {
        target: "repeated.yaml:15",
        message: `endpoints[1].addresses[0] ${bad.web.ip4} is an endpoint already (endpoints[0]) and counts once; remove one of the two`,
      },
    ]);
    expect(await bad.ask("10.96.1.5")).toBe("web");
    await agent.hasEndpoints("repeated", 1);
  });

  it("leaves a clusterIP that two Services claim to one of them, and names both", async () => {
    expect(await problemsAt(/^taken\.yaml/)).toEqual([
      {
        target: "taken.yaml:1",
        message:
          "Service default/taken claims 10.96.1.1, the clusterIP of Service default/good (good.yaml:1); give each its own",
      },
    ]);
    const { failures } = await agent.status();
    expect(failures).toMatchObject([
      {
        service: "default/taken:/TCP/IPv4",
        message:
          "10.96.1.1:80/TCP already belongs to default/good:/TCP/IPv4: give one of the two another address or port",
      },
    ]);
  });

  it("says which endpoint is of the wrong family, and serves the others", async () => {
    expect(await problemsAt(/^family\.yaml/)).toEqual([
      {
        target: "family.yaml:14",
        message:
          'endpoints[0].addresses[0] "fd00:10:244:1::99" is no IPv4 address; move it to an EndpointSlice with the other addressType',
      },
    ]);
    expect(await bad.ask("10.96.1.6")).toBe("web");
  });

  it("is told by the log once, and by the command", async () => {
    const { code, stdout } = await agent.run("status");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^portless\.yaml:6 +spec\.ports is empty: a Service needs/m);
    expect(stdout).toMatch(/^default\/taken:\/TCP\/IPv4 .* already belongs to default\/good/m);
    expect(agent.log.split("spec.ports is empty")).toHaveLength(2);
  });

  it("keeps a file's last good version in force until it is mended", async () => {
    const save = async (text: string) => {
      await writeFile(join(folder, ".draft"), text);
      await rename(join(folder, ".draft"), join(folder, "good.yaml"));
    };
    await save("kind: Service\n  metadata: wrong\n");
    await until(async () => (await problemsAt(/^good\.yaml/)).length === 2, {
      deadlineMs: 10_000,
      describe: "the broken file to be reported",
    });
    expect((await problemsAt(/^good\.yaml$/))[0]?.message).toBe(
      "2 objects last read from it stay in force until all of it can be read",
    );
    expect(await bad.ask("10.96.1.1")).toBe("web");

    await save(bad.right("mended", "10.96.1.7"));
    await agent.hasEndpoints("mended", 1);
    expect(await problemsAt(/^good\.yaml/)).toEqual([]);
    expect(await bad.ask("10.96.1.7")).toBe("web");
  });
});

describe("a map that is full", () => {
  it("leaves out what has no room, names the flag, and has room after a clean-up", async () => {
    const folder = await bad.folderOf({
      "a.yaml": bad.right("first", "10.96.2.1"),
      "b.yaml": bad.right("second", "10.96.2.2"),
    });
    await using small = await TestAgent.start({
      node: bad.node,
      source: { folder },
      flags: ["--max-services=1"],
    });
    expect((await small.status()).failures).toMatchObject([
      {
        service: "default/second:/TCP/IPv4",
        message:
          'the map services has no room left in its 1 entries: raise --max-services, which takes effect after "sluice cleanup"',
      },
    ]);
    expect(await bad.ask("10.96.2.1")).toBe("web");
    await small.stop();

    await using large = await TestAgent.start({
      node: bad.node,
      source: { folder },
      flags: ["--max-services=2", `--pin-path=${small.pinPath}`],
    });
    expect(large.log.split("the pinned map")).toHaveLength(2);
    expect(large.log).toContain(
      'the pinned map services keeps its 1 entries: --max-services takes effect once \\"sluice cleanup\\" has removed it',
    );
    expect(await bad.ask("10.96.2.1")).toBe("web");
    await large.stop();
    expect(await small.run("cleanup")).toMatchObject({ code: 0, stderr: "" });
    await large.begin();
    expect(await Promise.all([bad.ask("10.96.2.1"), bad.ask("10.96.2.2")])).toEqual(["web", "web"]);
  });
});
