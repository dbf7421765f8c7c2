import { parse } from "yaml";
import { closest } from "./closest.ts";
import { ConfigError } from "./error.ts";
import { type SettingKey, settingKeys } from "./settings.ts";

/**
 * The settings of a configuration file: one YAML (hence also JSON) mapping of setting keys, such as
 * `nodeName`, to text, numbers, true or false.
 *
 * @throws ConfigError of code "unreadable-file", "unknown-key" or "invalid-value"
 */
export function parseConfigFile(
  path: string,
  readFile: (path: string) => string,
): ReadonlyMap<SettingKey, string> {
  const document = readDocument(path, readFile) ?? {};
  if (typeof document !== "object" || Array.isArray(document)) {
    throw new ConfigError("invalid-value", path, "the file is no mapping; use lines of KEY: VALUE");
  }
  return new Map(
    Object.entries(document).map(([key, value]) => {
      const known = knownKey(path, key);
      return [known, textOf(`${path}: ${known}`, value)] as const;
    }),
  );
}

function readDocument(path: string, readFile: (path: string) => string): unknown {
  try {
    return parse(readFile(path), { prettyErrors: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    const message = `cannot be read as YAML or JSON: ${reason}`;
    throw new ConfigError("unreadable-file", path, message, error);
  }
}

function knownKey(path: string, key: string): SettingKey {
  const known = settingKeys.find((candidate) => candidate === key);
  if (known !== undefined) return known;
  const [meant] = closest(key, settingKeys, 1);
  const help = meant === undefined ? `use one of ${settingKeys.join(", ")}` : `use "${meant}"`;
  throw new ConfigError("unknown-key", path, `there is no setting "${key}"; ${help}`);
}

function textOf(target: string, value: unknown): string {
  if (["string", "number", "boolean"].includes(typeof value)) return `${value}`;
  throw new ConfigError("invalid-value", target, "is neither text nor a number nor true or false");
}
