import { finish } from "../harness/child.ts";
import type { NorthSouthStage, Translation } from "./north_south_stage.ts";

export interface Mode {
  /** As the traffic program calls it. */
  readonly name: "crr" | "tcp_rr" | "udp_rr" | "packets" | "stream";
  readonly title: string;
  readonly rounds: number;
  /** In a round, of each side. */
  readonly operations: number;
  readonly bar?: number;
}

export interface Column {
  readonly title: string;
  readonly translation: Translation;
  readonly targets: "one" | "any";
}

/** What is measured side by side. */
export interface Race {
  readonly modes: readonly Mode[];
  readonly columns: readonly Column[];
}

/** ns per operation of each round, by column; a column that makes no difference has none. */
export type Rounds = ReadonlyMap<Column, readonly number[]>;

const DEADLINE_MS = 300_000;

const isFlood = ({ name }: Mode): boolean => name === "packets" || name === "stream";

/** Runs every mode; its rounds by its name. */
export async function runRace(
  stage: NorthSouthStage,
  { modes, columns }: Race,
): Promise<ReadonlyMap<string, Rounds>> {
  const results = new Map<string, Rounds>();
  for (const mode of modes) results.set(mode.name, await runMode(stage, mode, columns));
  return results;
}

/** A flood has one target, so that any is the same as one. */
async function runMode(
  stage: NorthSouthStage,
  mode: Mode,
  columns: readonly Column[],
): Promise<Rounds> {
  const measured = columns.filter(({ targets }) => targets === "one" || !isFlood(mode));
  const files = measured.map(({ translation, targets }) =>
    stage.targets(translation, isFlood(mode) ? "sink" : targets),
  );
  const client = stage.client(mode.name, mode.rounds, mode.operations, files);
  const { code, stdout, stderr } = await finish(client, DEADLINE_MS);
  if (code !== 0) throw new Error(`${mode.name}: ${stderr}`);
  const lines = stdout.trim().split("\n");
  const rounds = lines.map((line) => line.split(" ").map(Number));
  return new Map(measured.map((column, i) => [column, rounds.map((ns) => ns[i] ?? Number.NaN)]));
}
