import { ConfigError } from "./error.ts";
import { parseConfigFile } from "./file.ts";
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
  /** What the command line gave, by setting key, and `config`: the path of a file. */
  readonly flags: Readonly<Partial<Record<SettingKey | "config", string>>>;
  /** The process's environment; SLUICE_CONFIG names a file, too. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly readFile: (path: string) => string;
}

/**
 * The agent's settings: a flag wins over an environment variable, that over the file, that over the
 * default.
 *
 * @throws ConfigError for the first value, in the table's order, that is not valid
 */
export function resolveConfig(input: ConfigInput): AgentConfig {
  return resolveSettings(input, settingKeys);
}

/** As `resolveConfig`, for a command that needs only some of the settings. */
export function resolveSettings<Key extends SettingKey>(
  input: ConfigInput,
  keys: readonly Key[],
): Pick<AgentConfig, Key> {
  const path = input.flags.config ?? input.env.SLUICE_CONFIG;
  const file = path ? parseConfigFile(path, input.readFile) : new Map<SettingKey, string>();
  const values = keys.map((key) => [key, resolve(key, input, file, path)] as const);
  return Object.fromEntries(values) as Pick<AgentConfig, Key>;
}

function resolve(
  key: SettingKey,
  { flags, env }: ConfigInput,
  file: ReadonlyMap<SettingKey, string>,
  path: string | undefined,
): unknown {
  const { parse, fallback }: Setting<unknown> = settings[key];
  const given = [
    [flagOf(key), flags[key]],
    [variableOf(key), env[variableOf(key)]],
    [`${path}: ${key}`, file.get(key)],
    [`default of ${flagOf(key)}`, fallback()],
  ] as const;
  const [target, text] = given.find(([, text]) => text !== undefined) ?? [];
  if (target === undefined || text === undefined) return undefined;
  try {
    return parse(text);
  } catch (error) {
    throw new ConfigError("invalid-value", target, (error as Error).message, error);
  }
}
