import { describe, expect, it } from "vitest";
import {
  type Setting,
  settingKeys,
  settings,
  type ValueSchema,
} from "../../agent/config/settings.ts";
import { run } from "./fixture.ts";
import { start } from "./started.ts";

type Property = { readonly description: string } & (ValueSchema | { readonly type: "string" });

async function readSchema() {
  const { code, out, err } = await run("agent --print-config-schema");
  expect([code, err]).toEqual([0, ""]);
  return JSON.parse(out) as { properties: Readonly<Record<string, Property>> };
}

const starts = async (key: string, value: unknown): Promise<boolean> => {
  const text = JSON.stringify({
    apiVersion: "sluice.dev/v1alpha1",
    kind: "AgentConfiguration",
    [key]: value,
  });
  return (await start("--config=/c.conf", text)).code === 0;
};

/** Values that the schema allows, and some that it does not. */
function samples(schema: Property): { right: unknown[]; wrong: unknown[] } {
  if ("enum" in schema) return { right: [...schema.enum], wrong: ["other", 7] };
  if (schema.type === "integer") {
    const { minimum, maximum } = schema;
    return { right: [minimum, maximum], wrong: [minimum - 1, maximum + 1, 1.5, "x", true] };
  }
  if (schema.type === "boolean") return { right: [true, false], wrong: [0, "yes"] };
  return { right: [], wrong: [] };
}

describe("the JSON schema of our configuration", () => {
  it("knows the kind, every setting, and nothing else", async () => {
    const schema = await readSchema();
    expect(schema).toMatchObject({
      $schema: "http://json-schema.org/draft-07/schema#",
      type: "object",
      required: ["apiVersion", "kind"],
      additionalProperties: false,
      properties: {
        apiVersion: { const: "sluice.dev/v1alpha1" },
        kind: { const: "AgentConfiguration" },
        logLevel: {
          description: "least severe level to log (default: info)",
          enum: ["error", "warn", "info", "debug"],
        },
        maxFlows: {
          description: "flows translated per packet that are remembered (default: 65536)",
          type: "integer",
          minimum: 1,
          maximum: 16777216,
        },
        clusterIpFromOutside: { type: "boolean" },
        udpTimeout: { type: "string", pattern: "^(\\d+[smhd])+$" },
        nodeName: { type: "string" },
      },
    });
    expect(Object.keys(schema.properties)).toEqual(["apiVersion", "kind", ...settingKeys]);
  });

  it.each(settingKeys)(
    "allows of %s what the agent takes, and nothing that it refuses",
    async (key) => {
      const property = (await readSchema()).properties[key]!;
      const { right, wrong } = samples(property);
      for (const value of right) expect([value, await starts(key, value)]).toEqual([value, true]);
      for (const value of wrong) expect([value, await starts(key, value)]).toEqual([value, false]);
      expect(property.description).toContain(settings[key].help);
    },
  );

  it.each(settingKeys)("allows the default of %s", async (key) => {
    const { fallback, schema }: Setting<unknown> = settings[key];
    const preset = fallback();
    if (schema === undefined)
      return expect(await readSchema()).toHaveProperty(["properties", key, "type"], "string");
    if ("enum" in schema) return expect(schema.enum.map(String)).toContain(preset);
    if (schema.type === "integer")
      return expect(Number(preset)).toBeGreaterThanOrEqual(schema.minimum);
    if (schema.type === "boolean") return expect(["true", "false"]).toContain(preset);
    const pattern = new RegExp(schema.pattern ?? "");
    for (const text of [preset ?? "30s"]) expect(text).toMatch(pattern);
  });
});
