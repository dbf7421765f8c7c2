import type { Page } from "./page.ts";
import type { Stage } from "./stage.ts";

/** What the command tells of it all. */
export async function showCommand(stage: Stage, page: Page): Promise<void> {
  page.title("4. What the command tells, in its first lines");
  await show(stage, page, ["status"], /^(Kernel|Source|Ready|Programmed|Latency)/);
  await show(stage, page, ["service", "get", "demo/web"]);
}

/** Prints the command's lines that match, up to the first blank one. */
async function show(
  { agent }: Stage,
  page: Page,
  args: readonly string[],
  pick = /./,
): Promise<void> {
  const { code, stdout, stderr } = await agent.run(...args);
  const command = `npx sluice ${args.join(" ")}`;
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${stderr}`);
  const [first = ""] = stdout.split("\n\n");
  const lines = first.split("\n").filter((line) => pick.test(line));
  page.say("", `$ ${command}`, ...lines);
}
