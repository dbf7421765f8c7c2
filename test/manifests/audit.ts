import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What the API server has to write down: who asked it for what, and what it said. */
export class Audit {
  readonly flags: readonly string[];
  readonly #log: string;

  private constructor(policy: string, log: string) {
    this.flags = [`--audit-policy-file=${policy}`, `--audit-log-path=${log}`];
    this.#log = log;
  }

  /** Of one user; its files are in the folder. */
  static async of(user: string, folder: string): Promise<Audit> {
    const policy = {
      apiVersion: "audit.k8s.io/v1",
      kind: "Policy",
      omitStages: ["RequestReceived"],
      rules: [{ level: "Metadata", users: [user] }, { level: "None" }],
    };
    const path = join(folder, "audit-policy.yaml");
    await writeFile(path, JSON.stringify(policy));
    return new Audit(path, join(folder, "audit.log"));
  }

  /** Each request with its answer's status: "list services 200", "get /livez 200". */
  async requests(): Promise<readonly string[]> {
    const lines = (await readFile(this.#log, "utf8")).split("\n").slice(0, -1);
    return lines.map((line) => {
      const { verb, objectRef, requestURI, responseStatus } = JSON.parse(line);
      return `${verb} ${objectRef?.resource ?? requestURI} ${responseStatus?.code}`;
    });
  }
}
