import type { ConfigError } from "../error.ts";
import type { SettingKey } from "../settings.ts";
import type { Decoded } from "./decode.ts";
import { ignoredFlag, readFlags, type TypedFlags } from "./flags.ts";
import { mootNotes, type Note } from "./note.ts";
import { type GivenSetting, translate } from "./translate.ts";
import type { Values } from "./values.ts";

/** What is said in the words of kube-proxy, by flags and by a file. */
export interface KubeProxyInput {
  /** The fields that are set; a flag's value takes the place of the file's. */
  readonly values: Values;
  readonly fromFlags: ReadonlyMap<SettingKey, GivenSetting>;
  readonly fromFile: ReadonlyMap<SettingKey, GivenSetting>;
  readonly notes: readonly Note[];
  readonly errors: readonly ConfigError[];
}

const none: Decoded = { values: new Map(), warnings: [], errors: [] };

/** `path`: of the file that holds `decoded`, where there is one. */
export function readKubeProxy(
  typed: TypedFlags,
  path: string | undefined,
  decoded: Decoded | undefined,
): KubeProxyInput {
  const file = decoded ?? none;
  const conflicting = decoded && path;
  const flags = readFlags(typed, conflicting);
  const others = otherFlags(typed, conflicting);
  const fromFile = translate(file.values, conflicting);
  const fromFlags = translate(flags.values, undefined);
  const values = new Map([...file.values, ...flags.values]);
  return {
    values,
    fromFile: fromFile.settings,
    fromFlags: new Map([...fromFlags.settings, ...others.settings]),
    notes: [
      ...file.warnings.map((message) => ({ level: "warn", message }) as const),
      ...flags.notes,
      ...others.notes,
      ...mootNotes(values),
      ...nodePortNotes(fromFile.settings, file.values),
    ],
    errors: [...file.errors, ...fromFile.errors, ...flags.errors, ...fromFlags.errors],
  };
}

/** What follows from a field that is not there deserves a word. */
function nodePortNotes(
  settings: ReadonlyMap<SettingKey, GivenSetting>,
  values: Values,
): readonly Note[] {
  const { target, text } = settings.get("nodeportAddresses") ?? {};
  if (text === undefined || values.has("nodePortAddresses")) return [];
  const mode = values.get("mode")?.value ?? "iptables";
  const message = `${target}: NodePorts answer at ${text}, as in mode ${mode} without nodePortAddresses`;
  return [{ level: "info", message }];
}

interface OtherFlags {
  readonly settings: readonly (readonly [SettingKey, GivenSetting])[];
  readonly notes: readonly Note[];
}

const portFlags = [
  ["healthz-port", "healthzPort", "healthzBindAddress"],
  ["metrics-port", "metricsPort", "metricsBindAddress"],
] as const;

/** Flags that stand for no field. */
function otherFlags(typed: TypedFlags, file: string | undefined): OtherFlags {
  const settings: [SettingKey, GivenSetting][] = [];
  const notes: Note[] = [];
  if (typed.master) settings.push(["server", { text: typed.master, target: "--master" }]);
  for (const [name, attribute, key] of portFlags) {
    const text = typed[attribute];
    const target = `--${name}`;
    if (text === undefined) continue;
    if (file !== undefined) notes.push(ignoredFlag(target, key, file));
    else if (text === "0") settings.push([key, { text: "off", target }]);
    else notes.push({ level: "info", message: `${target} changes nothing here: ${portReason}` });
  }
  return { settings, notes };
}

const portReason = "the port is the one in the bind address";
