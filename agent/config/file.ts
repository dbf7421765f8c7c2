import { closest } from "./closest.ts";
import { agentKind, type Document, kubeProxyKind, parseDocuments, unreadable } from "./document.ts";
import { ConfigError } from "./error.ts";
import { type Decoded, decodeDocument } from "./kube_proxy/decode.ts";
import { type SettingKey, settingKeys } from "./settings.ts";

/** A configuration file: settings of our own, a KubeProxyConfiguration, or both (KP-50). */
export interface ConfigFile {
  readonly path: string;
  readonly text: string;
  readonly own: ReadonlyMap<SettingKey, string>;
  readonly kubeProxy: Decoded | undefined;
}

/**
 * Reads a configuration file. Our settings are a mapping of keys, such as `nodeName`, to text,
 * numbers, true or false. What is wrong with a KubeProxyConfiguration is in the result, so that all
 * of it can be told at once.
 *
 * @throws ConfigError of code "unreadable-file", "unknown-key" or "invalid-value"
 */
export function parseConfigFile(path: string, readFile: (path: string) => string): ConfigFile {
  const text = read(path, readFile);
  const documents = parseDocuments(path, text);
  const own = documents.get(agentKind);
  const kubeProxy = documents.get(kubeProxyKind);
  return {
    path,
    text,
    own: own === undefined ? new Map() : ownSettings(path, own),
    kubeProxy: kubeProxy && decode(path, kubeProxy),
  };
}

function read(path: string, readFile: (path: string) => string): string {
  try {
    return readFile(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** kube-proxy takes the later value of a key that stands twice, and warns. */
function decode(path: string, { content, duplicates }: Document): Decoded {
  const decoded = decodeDocument(path, content);
  const twice = duplicates.map(
    ({ line }) => `${path}: line ${line}: a key stands here for the second time; this value counts`,
  );
  return { ...decoded, warnings: [...twice, ...decoded.warnings] };
}

function ownSettings(path: string, document: Document): ReadonlyMap<SettingKey, string> {
  const [duplicate] = document.duplicates;
  if (duplicate !== undefined) throw unreadable(path, duplicate.error);
  return new Map(
    Object.entries(document.content).map(([key, value]) => {
      const known = knownKey(path, key);
      return [known, textOf(`${path}: ${known}`, value)] as const;
    }),
  );
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
  const message = "is neither text nor a number nor true or false";
  throw new ConfigError("invalid-value", target, message);
}
