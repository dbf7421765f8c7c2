import { chmod, chown } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestAgent } from "../harness/agent.ts";
import { BadInputNode } from "./bad_input_node.ts";

const main = join(import.meta.dirname, "../../agent/main.ts");
const nobody = 65_534;

let bad: BadInputNode;
beforeAll(async () => {
  bad = await BadInputNode.create();
});
afterAll(() => bad?.[Symbol.asyncDispose]());

describe("a command that is used wrongly", () => {
  let agent: TestAgent;
  beforeAll(async () => {
    agent = await TestAgent.prepare({ node: bad.node, source: { folder: tmpdir() } });
  });
  afterAll(() => agent?.[Symbol.asyncDispose]());

  const cases: { args: string[]; says: string }[] = [
    {
      args: ["agent", "--node-nam=a"],
      says: "error: unknown option '--node-nam=a'\n(Did you mean --node-name?)\n",
    },
    {
      args: ["agent", "--max-services=many"],
      says: 'error: --max-services: "many" is not valid; use a whole number from 1 to 16777216\n',
    },
    {
      args: ["agent", "--source=folder"],
      says: 'error: --source: "folder" is not valid; use "kubernetes" or "directory:PATH"\n',
    },
    {
      args: ["status", "-o", "xml"],
      says: "error: option '-o, --output <FORMAT>' argument 'xml' is invalid. Allowed choices are table, json, yaml.\n",
    },
    {
      args: ["service", "get", "web"],
      says: 'error: "web" names no Service; use NAMESPACE/NAME\n',
    },
    {
      args: ["sevice", "list"],
      says: "error: unknown command 'sevice'\n(Did you mean service?)\n",
    },
  ];
  for (const { args, says } of cases) {
    it(`ends with 2 and says what is right: sluice ${args.join(" ")}`, async () => {
      expect(await agent.run(...args)).toEqual({ code: 2, signal: null, stdout: "", stderr: says });
    });
  }

  it("ends with 2 and names the setting that an unknown key of the file means", async () => {
    const folder = await bad.folderOf({ "sluice.yaml": "nodename: a\n" });
    const config = join(folder, "sluice.yaml");
    expect(await agent.run("agent", `--config=${config}`)).toEqual({
      code: 2,
      signal: null,
      stdout: "",
      stderr: `error: ${config}: there is no setting "nodename"; use "nodeName"\n`,
    });
  });

  const unreadable = [
    { is: "missing", path: "none.yaml", reason: "ENOENT: no such file or directory, open 'PATH'" },
    { is: "a directory", path: "", reason: "EISDIR: illegal operation on a directory, read" },
    {
      is: "another user's alone",
      path: "theirs.yaml",
      reason: "EACCES: permission denied, open 'PATH'",
    },
  ];
  for (const { is, path, reason } of unreadable) {
    it(`ends with 2 and names the file of settings that is ${is}`, async () => {
      const folder = await bad.folderOf({ "theirs.yaml": "nodeName: a\n" });
      await chmod(join(folder, "theirs.yaml"), 0o600);
      await chown(join(folder, "theirs.yaml"), nobody, nobody);
      const config = join(folder, path);
      // Without capabilities root is a user like others.
      const powerless = ["--inh-caps=-all", "--bounding-set=-all", "--", process.execPath, main];
      expect(await bad.node.run("setpriv", [...powerless, "agent", `--config=${config}`])).toEqual({
        code: 2,
        signal: null,
        stdout: "",
        stderr: `error: ${config}: cannot be read as YAML or JSON: ${reason.replace("PATH", config)}\n`,
      });
    });
  }

  it("ends with 1 where neither an agent nor its maps are there", async () => {
    expect(await agent.run("service", "list")).toEqual({
      code: 1,
      signal: null,
      stdout: "",
      stderr: `error: no agent answers on ${agent.socketPath}, and ${agent.pinPath} cannot be read: nothing is pinned at ${agent.pinPath}: name the place with --pin-path, or start the agent\n`,
    });
  });
});
