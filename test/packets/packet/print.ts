import { type Fields, fieldsOf } from "./fields.ts";

const quiet = new Set([
  "ip.version",
  "ip.tos",
  "ip.id",
  "ip.offset",
  "ip.length",
  "tcp.window",
  "tcp.urgent",
]);

/** A frame as one line, the uninteresting left out. */
export function printPacket(frame: Uint8Array): string {
  return print(fieldsOf(frame));
}

function print(fields: Fields): string {
  const shown = [...fields].filter(([name, value]) => {
    const bare = name.replace(/^in\./, "");
    if (quiet.has(bare) || value === "") return false;
    return !(value === "ok" || (bare === "ip.offset" && value === "0"));
  });
  return shown
    .map(([name, value]) => `${name}=${value.length > 40 ? `${value.slice(0, 37)}...` : value}`)
    .join(" ");
}

/** The fields in which two frames differ, a line each; none: every field is alike. */
export function differences(expected: Uint8Array, actual: Uint8Array): readonly string[] {
  const [want, have] = [fieldsOf(expected), fieldsOf(actual)];
  const names = [...new Set([...want.keys(), ...have.keys()])];
  return names
    .filter((name) => want.get(name) !== have.get(name))
    .map(
      (name) =>
        `${name}: expected ${want.get(name) ?? "nothing"}, got ${have.get(name) ?? "nothing"}`,
    );
}
