import { type Command, Option } from "commander";
import {
  attributeOf,
  dashed,
  type KubeProxyFlag,
  kubeProxyFlags,
  type TypedFlags,
} from "../config/kube_proxy/flags.ts";
import { boolean } from "../config/kube_proxy/type.ts";
import { type ConfigInput, resolveAgent } from "../config/resolve.ts";
import { configSchema } from "../config/schema.ts";
import { writtenConfig } from "../config/write.ts";
import { done } from "./command.ts";
import type { CliEnv } from "./env.ts";
import { CliError } from "./error.ts";

/** Runs `sluice agent` but for `--cleanup`. */
export async function runAgentCommand(env: CliEnv, input: ConfigInput): Promise<number> {
  const { printConfigSchema, writeConfigTo } = input.flags;
  if (printConfigSchema !== undefined) {
    env.stdout.write(`${JSON.stringify(configSchema(), null, 2)}\n`);
    return done;
  }
  const resolved = resolveAgent(input);
  if (writeConfigTo) {
    env.writeFile(writeConfigTo, writtenConfig(resolved));
    env.stderr.write(`wrote the configuration to ${writeConfigTo}\n`);
    return done;
  }
  if (isOn(input.flags, "init-only")) {
    env.stderr.write("nothing is to be prepared: the agent does all of it at its start\n");
    return done;
  }
  const { config, notes, file } = resolved;
  return env.runAgent(config, { notes, file });
}

/** Whether a flag is on that may have a value, as Go's may. */
export function isOn(flags: TypedFlags, name: string): boolean {
  const text = flags[attributeOf(name)] ?? "false";
  const value = boolean.fromFlag(text);
  if (typeof value === "boolean") return value;
  throw new CliError("usage", `--${name}: ${JSON.stringify(text)} is not valid; use true or false`);
}

/** Adds every flag of kube-proxy that is not one of ours (KP-52). */
export function addKubeProxyFlags(agent: Command): void {
  const add = (option: Option) => agent.addOption(option.helpGroup("Flags of kube-proxy:"));
  add(new Option("--cleanup [BOOL]", "what `sluice cleanup` does"));
  add(new Option("--init-only [BOOL]", "check the settings, and run nothing"));
  add(new Option("--write-config-to <FILE>", "write the settings as a file, and run nothing"));
  add(new Option("--master <URL>", "the same as --server"));
  for (const flag of kubeProxyFlags) if (!flag.isShared) add(optionOf(flag));
  for (const name of ["healthz-port", "metrics-port"]) {
    add(new Option(`--${name} <PORT>`, "0: no server").hideHelp());
  }
}

/** Those that mean nothing here are taken, and left out of the help. */
function optionOf({ name, path, field }: KubeProxyFlag): Option {
  const value = field.type === boolean ? "[BOOL]" : "<VALUE>";
  const flags = name === "v" ? "-v, --v" : dashed(name);
  const option = new Option(`${flags} ${value}`, `${path} of its file`);
  // -v=2 is -v2 to Go.
  if (name === "v") option.argParser((text) => text.replace(/^=/, ""));
  return field.moot === undefined ? option : option.hideHelp();
}
