import { type RequestOptions, request } from "node:https";
import type { KubeConfig, KubernetesObject } from "@kubernetes/client-node";
import { parse } from "yaml";

export interface Applied {
  readonly status: number;
  /** The object as the API server completed it, or its refusal. */
  readonly body: KubernetesObject & { readonly message?: string };
}

/**
 * Applies one YAML document as `kubectl apply --server-side` does, with the server's strict
 * validation: an unknown or doubled field is refused.
 */
export async function apply(config: KubeConfig, text: string): Promise<Applied> {
  const server = new URL(config.getCurrentCluster()!.server);
  const options: RequestOptions = { method: "PATCH", host: server.hostname, port: server.port };
  await config.applyToHTTPSOptions(options);
  const query = "fieldManager=test&fieldValidation=Strict&force=true";
  const headers = { ...options.headers, "Content-Type": "application/apply-patch+yaml" };
  const { promise, resolve, reject } = Promise.withResolvers<Applied>();
  const asked = request({ ...options, path: `${pathOf(parse(text))}?${query}`, headers });
  asked.on("error", reject).on("response", async (response) => {
    const chunks = await response.toArray();
    const body = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    resolve({ status: response.statusCode ?? 0, body });
  });
  asked.end(text);
  return await promise;
}

function pathOf({ apiVersion = "", kind = "", metadata }: KubernetesObject): string {
  const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const namespace = metadata?.namespace === undefined ? "" : `/namespaces/${metadata.namespace}`;
  return `${group}${namespace}/${kind.toLowerCase()}s/${metadata?.name}`;
}
