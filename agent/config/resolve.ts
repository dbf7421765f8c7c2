import { ConfigError, InvalidConfig } from "./error.ts";
import { type ConfigFile, parseConfigFile } from "./file.ts";
import { type TypedFlags, yieldsToFile } from "./kube_proxy/flags.ts";
import type { Note } from "./kube_proxy/note.ts";
import { type KubeProxyInput, readKubeProxy } from "./kube_proxy/read.ts";
import type { GivenSetting } from "./kube_proxy/translate.ts";
import {
  type AgentConfig,
  flagOf,
  type Setting,
  type SettingKey,
  settingKeys,
  settings,
  variableOf,
} from "./settings.ts";

/** Where settings are looked for. */
export interface ConfigInput {
  /**
   * What the command line gave: by setting key, by the names of kube-proxy's flags, and `config`:
   * the path of a file.
   */
  readonly flags: TypedFlags;
  /** The process's environment; SLUICE_CONFIG names a file, too. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readFile: (path: string) => string;
}

export interface ResolvedConfig {
  readonly config: AgentConfig;
  /** What is to be said of it, once. */
  readonly notes: readonly Note[];
  readonly file: ConfigFile | undefined;
  readonly kubeProxy: KubeProxyInput;
  /** The settings that were given in our own words: by a flag, a variable or a file. */
  readonly own: ReadonlyMap<SettingKey, GivenSetting>;
}

/** What an agent is told besides its settings. */
export type AgentStart = Pick<ResolvedConfig, "notes" | "file">;

/** As `resolveAgent`, without what else there is to know. */
export function resolveConfig(input: ConfigInput): AgentConfig {
  return resolveAgent(input).config;
}

/**
 * The agent's settings: a flag wins over an environment variable, that over the file, that over the
 * default. In a file, our settings win over those of a KubeProxyConfiguration. Beside such a one the
 * flags that stand for its fields count nothing, but for those of the name and of logging (KP-52).
 *
 * @throws ConfigError for the first value, in the table's order, that is not valid
 * @throws InvalidConfig where several values of kube-proxy's flags and file are not
 */
export function resolveAgent(input: ConfigInput): ResolvedConfig {
  const origins = originsOf(input);
  const { file, kubeProxy } = origins;
  refuse(kubeProxy);
  const given = settingKeys.flatMap((key) => {
    const found = ownOf(origins, key);
    return found === undefined ? [] : [[key, found] as const];
  });
  const config = pick(origins, settingKeys);
  return { config, notes: kubeProxy.notes, file, kubeProxy, own: new Map(given) };
}

/** The settings of a command that needs only some of them, none of them kube-proxy's. */
export function resolveSettings<Key extends SettingKey>(
  input: ConfigInput,
  keys: readonly Key[],
): Pick<AgentConfig, Key> {
  return pick(originsOf(input), keys);
}

interface Origins {
  readonly input: ConfigInput;
  readonly file: ConfigFile | undefined;
  readonly kubeProxy: KubeProxyInput;
}

function originsOf(input: ConfigInput): Origins {
  const path = input.flags.config ?? input.env.SLUICE_CONFIG;
  const file = path ? parseConfigFile(path, input.readFile) : undefined;
  return { input, file, kubeProxy: readKubeProxy(input.flags, path, file?.kubeProxy) };
}

function refuse({ errors: [first, ...more], notes }: KubeProxyInput): void {
  if (first === undefined) return;
  const warnings = notes.filter(({ level }) => level === "warn").map(({ message }) => message);
  if (more.length === 0 && warnings.length === 0) throw first;
  throw new InvalidConfig([first, ...more], warnings);
}

function pick<Key extends SettingKey>(
  origins: Origins,
  keys: readonly Key[],
): Pick<AgentConfig, Key> {
  const values = keys.map((key) => [key, resolve(origins, key)] as const);
  return Object.fromEntries(values) as Pick<AgentConfig, Key>;
}

function resolve(origins: Origins, key: SettingKey): unknown {
  const { parse, fallback }: Setting<unknown> = settings[key];
  const { fromFlags, fromFile } = origins.kubeProxy;
  const given =
    ownFlag(origins, key) ??
    fromFlags.get(key) ??
    ownOf(origins, key) ??
    fromFile.get(key) ??
    givenAs(`default of ${flagOf(key)}`, fallback());
  if (given === undefined) return undefined;
  try {
    return parse(given.text);
  } catch (error) {
    throw new ConfigError("invalid-value", given.target, (error as Error).message, error);
  }
}

const ownOf = (origins: Origins, key: SettingKey): GivenSetting | undefined =>
  ownFlag(origins, key) ??
  givenAs(variableOf(key), origins.input.env[variableOf(key)]) ??
  givenAs(`${origins.file?.path}: ${key}`, origins.file?.own.get(key));

function ownFlag({ input, file }: Origins, key: SettingKey): GivenSetting | undefined {
  if (file?.kubeProxy !== undefined && yieldsToFile(key)) return undefined;
  return givenAs(flagOf(key), input.flags[key]);
}

const givenAs = (target: string, text: string | undefined): GivenSetting | undefined =>
  text === undefined ? undefined : { target, text };
