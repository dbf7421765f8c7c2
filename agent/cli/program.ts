import { Command, Option } from "commander";
import { type ConfigInput, resolveConfig, resolveSettings } from "../config/resolve.ts";
import {
  flagOf,
  type Setting,
  type SettingKey,
  settingKeys,
  settings,
  variableOf,
} from "../config/settings.ts";
import { cleanup } from "./cleanup.ts";
import type { CommandInput } from "./command.ts";
import type { CliEnv } from "./env.ts";
import { type FlowListOptions, flowList } from "./flow_list.ts";
import { type OutputFormat, outputFormats } from "./output.ts";
import { serviceGet } from "./service_get.ts";
import { serviceList } from "./service_list.ts";
import { status } from "./status.ts";

/** Settings that every command takes. */
const commonKeys = ["socketPath", "pinPath"] as const;

/**
 * The command table. `finish` is told the exit code of the command that ran; usage errors are
 * thrown as commander's errors.
 */
export function createProgram(env: CliEnv, finish: (exitCode: number) => void): Command {
  const program = new Command("sluice")
    .description("Serves Kubernetes Services by eBPF programs at the socket, without kube-proxy.")
    .version(env.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand(false)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => env.stdout.write(text),
      writeErr: (text) => env.stderr.write(text),
      getOutHelpWidth: () => 100,
      getErrHelpWidth: () => 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride()
    .option("--config <FILE>", "YAML or JSON file of settings (env: SLUICE_CONFIG)");
  for (const key of commonKeys) program.addOption(settingOption(key));

  const agent = program
    .command("agent")
    .description("run the agent of this node in the foreground")
    .action(async (_, command: Command) =>
      finish(await env.runAgent(resolveConfig(inputOf(env, command)))),
    );
  for (const key of settingKeys) {
    if (!commonKeys.some((common) => common === key)) agent.addOption(settingOption(key));
  }

  reader(program, "status", "show how the agent, its source and its programs are").action(
    async (_, command: Command) => finish(await status(commandInput(env, command))),
  );
  const service = program
    .command("service")
    .description("show what is programmed")
    .helpCommand(false);
  reader(service, "list", "list Service ports with their endpoints and counters")
    .option("-n, --namespace <NAMESPACE>", "of this namespace only")
    .action(async ({ namespace }, command: Command) =>
      finish(await serviceList(commandInput(env, command), namespace)),
    );
  reader(service, "get", "show one Service: its endpoints, which are selected, its counters")
    .argument("<NAMESPACE/NAME>", "the Service")
    .action(async (reference: string, _, command: Command) =>
      finish(await serviceGet(commandInput(env, command), reference)),
    );
  const flow = program
    .command("flow")
    .description("show what is translated per packet")
    .helpCommand(false);
  reader(flow, "list", "list flows: which client got which backend, and how their packets go")
    .option("--service <NAMESPACE/NAME>", "of this Service only")
    .option("--client <IP>", "of this client only")
    .option("--backend <IP>", "to this backend only")
    .option("--limit <N>", "the latest N only", "100")
    .action(async (options: FlowListOptions, command: Command) =>
      finish(await flowList(commandInput(env, command), options)),
    );
  reader(program, "cleanup", "detach the programs and remove the maps of this pin path")
    .option("--force", "even while an agent answers")
    .action(async ({ force }, command: Command) =>
      finish(await cleanup(commandInput(env, command), force === true)),
    );
  return program;
}

/** A command that prints in the form that is asked for. */
function reader(parent: Command, name: string, description: string): Command {
  const output = new Option("-o, --output <FORMAT>", "form of the output");
  return parent
    .command(name)
    .description(description)
    .addOption(output.choices(outputFormats).default("table" satisfies OutputFormat));
}

/** An option without a default: that is applied where flags, variables and files come together. */
function settingOption(key: SettingKey): Option {
  const { placeholder, help, fallback, fallbackHelp }: Setting<unknown> = settings[key];
  const preset = fallbackHelp ?? fallback();
  const notes = [
    ...(preset === undefined ? [] : [`default: ${preset}`]),
    `env: ${variableOf(key)}`,
  ];
  return new Option(`${flagOf(key)} <${placeholder}>`, `${help} (${notes.join(", ")})`);
}

function inputOf(env: CliEnv, command: Command): ConfigInput {
  return { flags: command.optsWithGlobals(), env: env.env, readFile: env.readFile };
}

function commandInput(env: CliEnv, command: Command): CommandInput {
  const { output } = command.opts<{ output: OutputFormat }>();
  return { env, output, paths: resolveSettings(inputOf(env, command), commonKeys) };
}
