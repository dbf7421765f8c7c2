import Table from "cli-table3";

/** A table without lines, as kubectl prints: columns three blanks apart, the titles in capitals. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const it = new Table({
    head: [...titles],
    chars: borderless,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 3 },
  });
  it.push(...rows.map((row) => row.map(cell)));
  return lines(it.toString());
}

/** Two columns without titles: `Name:   value`. */
export function fields(rows: readonly (readonly [string, string])[]): string {
  const it = new Table({
    chars: borderless,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
  });
  it.push(...rows.map(([name, value]) => [`${name}:`, cell(value)]));
  return lines(it.toString());
}

const borderless = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "",
};

/** Control characters would break the row, or steer the terminal. */
function cell(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}

function lines(text: string): string {
  return text
    .split("\n")
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}
