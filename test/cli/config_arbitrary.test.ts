import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fields } from "../../agent/config/kube_proxy/fields.ts";
import { start } from "./started.ts";

const kind = { apiVersion: "kubeproxy.config.k8s.io/v1alpha1", kind: "KubeProxyConfiguration" };

/** `a.b` and a value -> {a: {b: value}} */
const nested = (path: string, value: unknown): object =>
  path.split(".").reduceRight((inner, key) => ({ [key]: inner }), value as object);

const odd = ["constructor", "__proto__", "toString", "conntrack.hasOwnProperty", "a.b.c", ""];
const anyPath = fc.oneof(fc.constantFrom(...Object.keys(fields)), fc.constantFrom(...odd));
const anyValue = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom("0s", "1h", "primary", "10.0.0.0/8", "::", "constructor", 1e300),
);

describe("whatever stands in a field of a KubeProxyConfiguration", () => {
  it("starts the agent, or is told with its path and exit code 2 (KP-50)", async () => {
    const outcome = async (path: string, value: unknown): Promise<void> => {
      const text = JSON.stringify({ ...kind, ...nested(path, value) });
      const { code, err, notes } = await start("--config=/c.conf --node-name=a", text);
      const said = `${err}${notes.join("\n")}`;
      const isTold = said.includes(`/c.conf: ${path.split(".")[0]}`);
      expect({ path, value, code }).toEqual({ path, value, code: err === "" ? 0 : 2 });
      if (err !== "" || !Object.hasOwn(fields, path)) expect(isTold, said).toBe(true);
    };
    await fc.assert(fc.asyncProperty(anyPath, anyValue, outcome), { numRuns: 300 });
  });
});
