import type { PacketCase } from "./case.ts";
import { everyKit, type Kit } from "./kit.ts";
import { localCases } from "./local.ts";
import { policyCases } from "./policy.ts";
import { remoteCases } from "./remote.ts";

const suites: readonly ((k: Kit) => readonly PacketCase[])[] = [
  localCases,
  remoteCases,
  policyCases,
];

const labelled = (k: Kit): readonly PacketCase[] =>
  suites
    .flatMap((suite) => suite(k))
    .map((each) => ({ ...each, name: `${k.label}: ${each.name}` }));

/** Every case in both families and both protocols. */
export const allCases: readonly PacketCase[] = everyKit.flatMap(labelled);
