import { type AgentConfig, flagOf } from "./config/settings.ts";
import type { Datapath } from "./datapath/open.ts";

const SLOTS_PER_LINE = 16;
const DIRECTIONS = 2;

/** Which maps each setting sizes. */
const sized = {
  maxFrontends: ["frontends"],
  maxServices: ["services", "service_names", "service_stats"],
  maxEndpoints: ["backends"],
  maxSlots: ["slots"],
  maxAffinities: ["affinities"],
  maxSourceRanges: ["source_ranges"],
  maxFlows: ["flows"],
} as const;

type SizeSetting = keyof typeof sized;

/** Entries of each map, by its name in maps.h. */
export function mapSizes(config: Pick<AgentConfig, SizeSetting>): Readonly<Record<string, number>> {
  return Object.fromEntries(
    settings.flatMap((setting) =>
      sized[setting].map((map) => [map, entriesOf(map, config[setting])] as const),
    ),
  );
}

/** What to say of settings that the pinned maps do not follow: a map's size is for its life. */
export function keptSizes(
  config: Pick<AgentConfig, SizeSetting>,
  { adopted, capacity }: Pick<Datapath, "adopted" | "capacity">,
): readonly string[] {
  return settings.flatMap((setting) => {
    const [map] = sized[setting];
    if (!adopted.includes(map) || capacity(map) === entriesOf(map, config[setting])) return [];
    const kept = settingOf(map, capacity(map));
    return [
      `the pinned map ${map} keeps its ${kept} entries: ` +
        `${flagOf(setting)} takes effect once "sluice cleanup" has removed it`,
    ];
  });
}

const settings = Object.keys(sized) as readonly SizeSetting[];

/** Slots are kept in lines, of which only whole ones can be had, and flows by direction. */
function entriesOf(map: string, wanted: number): number {
  if (map === "slots") return Math.ceil(wanted / SLOTS_PER_LINE);
  return map === "flows" ? wanted * DIRECTIONS : wanted;
}

function settingOf(map: string, entries: number): number {
  if (map === "slots") return entries * SLOTS_PER_LINE;
  return map === "flows" ? entries / DIRECTIONS : entries;
}
