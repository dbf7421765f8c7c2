import type { PacketCase } from "./case.ts";
import { checksumCases } from "./checksums.ts";
import { flowCases } from "./flows.ts";
import { fragmentCases } from "./fragments.ts";
import { frameCases } from "./frames.ts";
import { headerCases } from "./headers.ts";
import { icmpCases } from "./icmp.ts";
import { everyKit, type Kit } from "./kit.ts";
import { lifetimeCases } from "./lifetimes.ts";
import { localCases } from "./local.ts";
import { policyCases } from "./policy.ts";
import { remoteCases } from "./remote.ts";
import { reusedPortCases } from "./reused_port.ts";
import { sctpCases } from "./sctp.ts";
import { gsoCases, sizeCases } from "./sizes.ts";

const suites: readonly ((k: Kit) => readonly PacketCase[])[] = [
  localCases,
  remoteCases,
  policyCases,
  flowCases,
  headerCases,
  fragmentCases,
  lifetimeCases,
  reusedPortCases,
  sizeCases,
  gsoCases,
  checksumCases,
  icmpCases,
  sctpCases,
];

const labelled = (k: Kit): readonly PacketCase[] =>
  suites
    .flatMap((suite) => suite(k))
    .map((each) => ({ ...each, name: `${k.label}: ${each.name}` }));

/** Every case in both families and all protocols, and those that one of them tells for all. */
export const allCases: readonly PacketCase[] = [...everyKit.flatMap(labelled), ...frameCases];
