import { parseAllDocuments } from "yaml";
import { ConfigError } from "./error.ts";

/** The kinds of a document; one that names neither has our settings, too. */
export const agentKind = {
  apiVersion: "sluice.dev/v1alpha1",
  kind: "AgentConfiguration",
} as const;
export const kubeProxyKind = {
  apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
  kind: "KubeProxyConfiguration",
} as const;

export type Kind = typeof agentKind | typeof kubeProxyKind;

/** A mapping in a file. */
export interface Document {
  readonly kind: Kind;
  /** Without `apiVersion` and `kind`. */
  readonly content: Readonly<Record<string, unknown>>;
  /** Keys that stand in it twice. The later value is the one in `content`. */
  readonly duplicates: readonly Duplicate[];
}

export interface Duplicate {
  readonly line: number;
  readonly error: Error;
}

/**
 * The documents of a YAML (hence also JSON) text that are not empty, one of each kind at most.
 *
 * @throws ConfigError of code "unreadable-file" or "invalid-value"
 */
export function parseDocuments(path: string, text: string): ReadonlyMap<Kind, Document> {
  const found = new Map<Kind, Document>();
  for (const { errors, content } of parsed(text)) {
    const error = errors.find(({ code }) => code !== "DUPLICATE_KEY");
    if (error !== undefined) throw unreadable(path, error);
    if (content === null || content === undefined) continue;
    if (typeof content !== "object" || Array.isArray(content)) {
      throw invalid(path, "the file is no mapping; use lines of KEY: VALUE");
    }
    const { apiVersion, kind: name, ...rest } = content as Document["content"];
    const kind = kindOf(path, apiVersion, name);
    if (found.has(kind)) throw invalid(path, `there are two documents of ${kind.kind}; leave one`);
    const duplicates = errors.map((error) => ({ line: error.linePos?.[0].line ?? 0, error }));
    found.set(kind, { kind, content: rest, duplicates });
  }
  return found;
}

const parsed = (text: string) =>
  [...parseAllDocuments(text)].map((document) => ({
    errors: document.errors,
    content: document.toJS() as unknown,
  }));

function kindOf(path: string, apiVersion: unknown, kind: unknown): Kind {
  if (apiVersion === undefined && kind === undefined) return agentKind;
  const known = [agentKind, kubeProxyKind].find(
    (it) => it.apiVersion === apiVersion && it.kind === kind,
  );
  if (known !== undefined) return known;
  const given = [apiVersion, kind].map((value) => JSON.stringify(value) ?? "none");
  throw invalid(
    path,
    `apiVersion ${given[0]} with kind ${given[1]} is not known; use ${nameOf(kubeProxyKind)} or ${nameOf(agentKind)}`,
  );
}

const nameOf = ({ apiVersion, kind }: Kind): string => `${apiVersion} with ${kind}`;

export function unreadable(path: string, error: unknown): ConfigError {
  const { message } = error instanceof Error ? error : new Error(String(error));
  // What YAML's parser says goes on with a picture of the place.
  const [reason = ""] = message.split(/:?\n/);
  const cause = reason === message ? error : undefined;
  return new ConfigError(
    "unreadable-file",
    path,
    `cannot be read as YAML or JSON: ${reason}`,
    cause,
  );
}

const invalid = (target: string, message: string): ConfigError =>
  new ConfigError("invalid-value", target, message);
