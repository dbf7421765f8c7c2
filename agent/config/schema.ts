import { agentKind } from "./document.ts";
import { type Setting, type SettingKey, settingKeys, settings } from "./settings.ts";

/** The JSON Schema (draft 7) of our kind of document, by which editors complete and check it. */
export function configSchema() {
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: agentKind.kind,
    description: "Settings of the agent of sluice",
    type: "object",
    required: ["apiVersion", "kind"],
    additionalProperties: false,
    properties: {
      apiVersion: { const: agentKind.apiVersion },
      kind: { const: agentKind.kind },
      ...Object.fromEntries(settingKeys.map((key) => [key, propertyOf(key)])),
    },
  };
}

const anyText = { type: "string" } as const;

function propertyOf(key: SettingKey) {
  const { help, schema = anyText }: Setting<unknown> = settings[key];
  return { description: `${help} (default: ${defaultOf(key)})`, ...schema };
}

/** For people: what an unset setting means. */
function defaultOf(key: SettingKey): string {
  const { fallback, fallbackHelp }: Setting<unknown> = settings[key];
  return fallbackHelp ?? fallback() ?? "none";
}
