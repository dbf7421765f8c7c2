import { isIP, isIPv4, isIPv6 } from "node:net";
import { ConfigError } from "../error.ts";
import { type SettingKey, settings } from "../settings.ts";
import { durationSeconds } from "./duration.ts";
import { nodePortsText } from "./node_ports.ts";
import type { Values } from "./values.ts";

/** A setting's value as text, and where it comes from. */
export interface GivenSetting {
  readonly text: string;
  readonly target: string;
}

export interface Translated {
  readonly settings: ReadonlyMap<SettingKey, GivenSetting>;
  readonly errors: readonly ConfigError[];
}

/**
 * The settings that fields of kube-proxy stand for. `whole`: the file whose whole configuration the
 * values are, so that an unset field says something, too.
 */
export function translate(values: Values, whole: string | undefined): Translated {
  const texts = [...directSettings(values), ...nodePorts(values, whole), ...listeners(values)];
  const errors = texts.flatMap(([key, { text, target }]) => {
    try {
      settings[key].parse(text);
      return [];
    } catch (error) {
      return [new ConfigError("invalid-value", target, (error as Error).message, error)];
    }
  });
  return { settings: new Map(texts), errors };
}

type Entry = readonly [SettingKey, GivenSetting];

const asIs = (value: unknown): string => `${value}`;

/** At least a second: no flow is looked at more often. */
const seconds = (value: unknown): string | undefined => {
  const parsed = durationSeconds(`${value}`) ?? 0;
  return parsed === 0 ? undefined : `${Math.max(1, Math.round(parsed))}s`;
};

/** Kubernetes logs at 4 what is for whoever looks for a fault. */
const DEBUG_VERBOSITY = 4;

const direct: readonly (readonly [string, SettingKey, (value: unknown) => string | undefined])[] = [
  ["clientConnection.kubeconfig", "kubeconfig", asIs],
  ["hostnameOverride", "nodeName", (value) => asIs(value).trim().toLowerCase()],
  ["bindAddress", "nodeIp", (value) => (isUnspecified(value) ? undefined : asIs(value))],
  ["logging.format", "logFormat", asIs],
  ["logging.verbosity", "logLevel", (it) => (Number(it) < DEBUG_VERBOSITY ? "info" : "debug")],
  ["conntrack.tcpEstablishedTimeout", "tcpEstablishedTimeout", seconds],
  ["conntrack.tcpCloseWaitTimeout", "tcpClosingTimeout", seconds],
  ["conntrack.udpTimeout", "udpTimeout", seconds],
  ["conntrack.udpStreamTimeout", "udpStreamTimeout", seconds],
];

function directSettings(values: Values): Entry[] {
  return direct.flatMap(([path, key, textOf]) => {
    const given = values.get(path);
    const text = given && textOf(given.value);
    return given && text !== undefined ? [[key, { text, target: given.target }] as const] : [];
  });
}

const isUnspecified = (value: unknown): boolean => value === "0.0.0.0" || value === "::";

const ports = { healthzBindAddress: 10_256, metricsBindAddress: 10_249 } as const;

/** A port that is left out is the default one; without an address it is the family of bindAddress. */
function listeners(values: Values): Entry[] {
  const bindAddress = values.get("bindAddress");
  const hosts = isIPv6(`${bindAddress?.value}`)
    ? { healthzBindAddress: "[::]", metricsBindAddress: "[::1]" }
    : undefined;
  return (["healthzBindAddress", "metricsBindAddress"] as const).flatMap((key): Entry[] => {
    const given = values.get(key);
    if (given)
      return [[key, { target: given.target, text: withPort(`${given.value}`, ports[key]) }]];
    if (bindAddress === undefined || hosts === undefined) return [];
    return [[key, { target: bindAddress.target, text: `${hosts[key]}:${ports[key]}` }]];
  });
}

function withPort(text: string, port: number): string {
  if (isIP(text) === 0) return text;
  return isIPv4(text) ? `${text}:${port}` : `[${text}]:${port}`;
}

function nodePorts(values: Values, whole: string | undefined): Entry[] {
  const given = values.get("nodePortAddresses") ?? values.get("mode");
  if (given === undefined && whole === undefined) return [];
  const isTold = values.has("nodePortAddresses") || whole === undefined;
  const target = (isTold ? given?.target : whole) ?? "";
  return [["nodeportAddresses", { text: nodePortsText(values), target }]];
}
