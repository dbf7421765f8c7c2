import { Command, Option } from "commander";
import type { TypedFlags } from "../config/kube_proxy/flags.ts";
import { type ConfigInput, resolveSettings } from "../config/resolve.ts";
import {
  flagOf,
  type Setting,
  type SettingKey,
  settingKeys,
  settings,
  variableOf,
} from "../config/settings.ts";
import { addKubeProxyFlags, isOn, runAgentCommand } from "./agent.ts";
import { cleanup } from "./cleanup.ts";
import type { CommandInput } from "./command.ts";
import type { CliEnv } from "./env.ts";
import { type FlowListOptions, flowList } from "./flow_list.ts";
import { type OutputFormat, outputFormats } from "./output.ts";
import { serviceGet } from "./service_get.ts";
import { serviceList } from "./service_list.ts";
import { status } from "./status.ts";

const agentHelp = `Every other flag of kube-proxy is taken, too; one that means nothing here says so once. FILE is a
KubeProxyConfiguration, an AgentConfiguration, or both as two documents. Beside the former, flags that
stand for its fields count nothing, as with kube-proxy. When FILE changes, the agent ends with 1.`;

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
    .option("--print-config-schema", "print the JSON Schema of a file of settings")
    .addHelpText("after", `\n${agentHelp}`)
    .action(async (_, command: Command) => {
      const input = inputOf(env, command);
      if (!isOn(input.flags, "cleanup")) return finish(await runAgentCommand(env, input));
      const paths = resolveSettings(input, commonKeys);
      finish(await cleanup({ env, output: "table", paths }, false));
    });
  for (const key of settingKeys) {
    if (!commonKeys.some((common) => common === key)) agent.addOption(settingOption(key));
  }
  addKubeProxyFlags(agent);

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
  return { flags: typedFlags(command), env: env.env, readFile: env.readFile };
}

/** A flag that may go without a value means true then. */
function typedFlags(command: Command): TypedFlags {
  const typed = Object.entries(command.optsWithGlobals<Record<string, string | true>>());
  return Object.fromEntries(typed.map(([name, value]) => [name, `${value}`]));
}

function commandInput(env: CliEnv, command: Command): CommandInput {
  const { output } = command.opts<{ output: OutputFormat }>();
  return { env, output, paths: resolveSettings(inputOf(env, command), commonKeys) };
}
