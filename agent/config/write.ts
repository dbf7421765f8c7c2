import { stringify } from "yaml";
import { agentKind, kubeProxyKind } from "./document.ts";
import { fields } from "./kube_proxy/fields.ts";
import { attributeOf, kubeProxyFlags } from "./kube_proxy/flags.ts";
import type { KubeProxyInput } from "./kube_proxy/read.ts";
import type { ResolvedConfig } from "./resolve.ts";
import { type Setting, type SettingKey, settingKeys, settings } from "./settings.ts";

/**
 * A file that makes an agent what this one would be: a KubeProxyConfiguration with every field, as
 * kube-proxy writes its own, and where settings were given that it has no field for, an
 * AgentConfiguration behind it (kube-proxy reads the first document alone).
 */
export function writtenConfig(resolved: ResolvedConfig): string {
  const shared = sharedFields(resolved);
  const kubeProxy = { ...kubeProxyKind, ...tree(fieldValues(resolved, shared)) };
  const own = settingKeys.flatMap((key) => {
    const given = shared.has(pathOf(key)) ? undefined : resolved.own.get(key);
    return given === undefined ? [] : [[key, fileValue(key, given.text)] as const];
  });
  const text = stringify(kubeProxy, { sortMapEntries: true });
  if (own.length === 0) return text;
  return `${text}---\n${stringify({ ...agentKind, ...Object.fromEntries(own) })}`;
}

const pathOf = (key: SettingKey): string =>
  kubeProxyFlags.find(({ name, isShared }) => isShared && attributeOf(name) === key)?.path ?? "";

/** What was given by flags that mean the same to kube-proxy, in the words of its file. */
function sharedFields({ own }: ResolvedConfig): ReadonlyMap<string, unknown> {
  const found = kubeProxyFlags.flatMap(({ name, path, field, isShared }) => {
    const given = isShared ? own.get(attributeOf(name) as SettingKey) : undefined;
    if (given?.target !== `--${name}` || ["", "off"].includes(given.text)) return [];
    const value = field.type.fromFlag(given.text);
    const problems = field.check?.(value, () => undefined) ?? [];
    return problems.length === 0 ? [[path, value] as const] : [];
  });
  return new Map(found);
}

function fieldValues(
  { kubeProxy }: ResolvedConfig,
  shared: ReadonlyMap<string, unknown>,
): ReadonlyMap<string, unknown> {
  const found = Object.entries(fields).map(([path, { preset, type }]) => {
    const given = shared.get(path) ?? kubeProxy.values.get(path)?.value;
    return [path, given ?? implied(kubeProxy, path) ?? preset ?? type.zero] as const;
  });
  return new Map(found);
}

/** What a field that is unset means by what others say. */
function implied({ fromFlags, fromFile }: KubeProxyInput, path: string): unknown {
  const textOf = (key: SettingKey) => (fromFlags.get(key) ?? fromFile.get(key))?.text;
  if (path === "healthzBindAddress" || path === "metricsBindAddress") return textOf(path);
  if (path !== "nodePortAddresses") return undefined;
  // Without any configuration of kube-proxy's, unset is not every address.
  return [undefined, "primary"].includes(textOf("nodeportAddresses")) ? ["primary"] : undefined;
}

function tree(values: ReadonlyMap<string, unknown>): Readonly<Record<string, unknown>> {
  const root: Record<string, unknown> = {};
  for (const [path, value] of values) {
    let section = root;
    const keys = path.split(".");
    const last = keys.pop() ?? path;
    for (const key of keys) {
      section[key] ??= {};
      section = section[key] as Record<string, unknown>;
    }
    if (value !== undefined) section[last] = value;
  }
  return root;
}

/** As a file has it: a number or a truth value by itself, not as text. */
function fileValue(key: SettingKey, text: string): string | number | boolean {
  const { schema }: Setting<unknown> = settings[key];
  if (schema === undefined) return text;
  if ("enum" in schema) return schema.enum.find((known) => `${known}` === text) ?? text;
  if (schema.type === "integer") return Number(text);
  return schema.type === "boolean" ? text === "true" : text;
}
