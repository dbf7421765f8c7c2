import type { AgentHost } from "../harness/agent.ts";

/** What /metrics said at one time. */
export class Scrape {
  readonly text: string;
  /** Samples by name and labels, as they stand there. */
  readonly samples: ReadonlyMap<string, number>;

  constructor(text: string) {
    this.text = text;
    const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    this.samples = new Map(
      lines.map((line) => {
        const at = line.lastIndexOf(" ");
        return [line.slice(0, at), Number(line.slice(at + 1))] as const;
      }),
    );
  }

  /** From inside the node, as Prometheus would. */
  static async of(node: AgentHost): Promise<Scrape> {
    const args = ["-sSf", "http://127.0.0.1:10249/metrics"];
    const { code, stdout, stderr } = await node.run("curl", args);
    if (code !== 0) throw new Error(`no metrics: ${stderr}`);
    return new Scrape(stdout);
  }

  /** Names that it declares, without those of the process itself. */
  get families(): readonly string[] {
    return [...this.text.matchAll(/^# TYPE ((?:sluice|kubeproxy)_\S+) /gm)].map(
      ([, name = ""]) => name,
    );
  }

  /** Over all samples of this name that have the labels given: `name{a="b"}`; 0 where none has. */
  sum(selector: string): number {
    const [name = "", labels = ""] = selector.replace("}", "").split("{");
    const wanted = labels === "" ? [] : labels.split(",");
    let sum = 0;
    for (const [sample, value] of this.samples) {
      const [own, has = ""] = sample.replace("}", "").split("{");
      if (own === name && wanted.every((each) => has.split(",").includes(each))) sum += value;
    }
    return sum;
  }
}
