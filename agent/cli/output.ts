import { stringify } from "yaml";

export const outputFormats = ["table", "json", "yaml"] as const;
export type OutputFormat = (typeof outputFormats)[number];

/** `data` in the form that was asked for; a table is for people and made by `toTable`. */
export function render<Data>(
  format: OutputFormat,
  data: Data,
  toTable: (data: Data) => string,
): string {
  if (format === "json") return `${JSON.stringify(data, null, 2)}\n`;
  if (format === "yaml") return stringify(data, { aliasDuplicateObjects: false, lineWidth: 0 });
  return toTable(data);
}
