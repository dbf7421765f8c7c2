import type { ServiceMaps } from "../../agent/datapath/maps.ts";
import { ScaleCluster } from "./scale_cluster.ts";
import { ScaleLoop } from "./scale_loop.ts";
import { ScaleMaps } from "./scale_maps.ts";
import { ENDPOINTS } from "./scale_objects.ts";
import { type Spread, spreadOf } from "./statistics.ts";
import { printTable } from "./table.ts";

const SERVICES = 10_000;
const RUNS = 5;

/** Milliseconds. */
interface Run {
  /** Events to maps: compiling, matching, allocating, writing. */
  readonly whole: number;
  readonly calls: number;
  readonly stores: number;
}

/** How much of the first sync is the kernel's: system calls for hash entries, stores for the rest. */
export async function benchWrites(): Promise<void> {
  const events = new ScaleCluster(SERVICES).first();
  const runs: Run[] = [];
  for (let i = 0; i < RUNS; i++) {
    await using filled = await ScaleMaps.create();
    const { maps, spent } = timed(filled.datapath.maps);
    const loop = await ScaleLoop.on(maps);
    const whole = loop.publish(events);
    await using empty = await ScaleMaps.create();
    runs.push({
      whole,
      calls: spent(),
      stores: copyStores(filled.datapath.maps, empty.datapath.maps),
    });
  }
  print(runs);
}

/** The same maps, and the milliseconds spent so far in the calls that write. */
function timed(maps: ServiceMaps): { readonly maps: ServiceMaps; readonly spent: () => number } {
  let milliseconds = 0;
  const measure = <Args extends readonly unknown[]>(call: (...args: Args) => void) => {
    return (...args: Args): void => {
      const startedAt = performance.now();
      call(...args);
      milliseconds += performance.now() - startedAt;
    };
  };
  const { frontends, names } = maps;
  return {
    spent: () => milliseconds,
    maps: {
      ...maps,
      frontends: {
        capacity: frontends.capacity,
        entries: () => frontends.entries(),
        update: measure((entries) => frontends.update(entries)),
        delete: measure((keys) => frontends.delete(keys)),
      },
      names: {
        entries: () => names.entries(),
        update: measure((entries) => names.update(entries)),
      },
    },
  };
}

/** Stores whatever the mapped arrays of one hold into those of the other, as the agent would. */
function copyStores(from: ServiceMaps, to: ServiceMaps): number {
  const address = new Uint8Array(16);
  const startedAt = performance.now();
  for (let i = 0; i < SERVICES * ENDPOINTS; i++) {
    to.backends.setGeneration(i, from.backends.generation(i));
    to.backends.setService(i, from.backends.service(i));
    address.set(from.backends.address(i));
    to.backends.setAddress(i, address);
    to.backends.setPort(i, from.backends.port(i));
    to.backends.setFlags(i, from.backends.flags(i));
    to.slots[i] = from.slots[i] ?? 0;
  }
  for (let i = 0; i < SERVICES; i++) {
    to.services.setGeneration(i, from.services.generation(i));
    to.services.setProtocol(i, from.services.protocol(i));
    to.services.setCluster(i, from.services.cluster(i));
    to.services.setFlags(i, from.services.flags(i));
  }
  return performance.now() - startedAt;
}

function print(runs: readonly Run[]): void {
  console.log(`
${SERVICES} Services of ${ENDPOINTS} endpoints from events to real maps, in this process; medians (quartiles) of ${RUNS}
runs. The kernel's part is the batch calls, and the stores into mapped arrays: these are interleaved
with all the rest, so they are timed in a copy of what they wrote, reads included.
`);
  const row = (title: string, of: (run: Run) => number, bar: string) => [
    title,
    shown(spreadOf(runs.map(of))),
    bar,
  ];
  printTable(
    ["PART", "MEDIAN (QUARTILES)", "BAR"],
    [
      row("compile, match, allocate, write: all of it", ({ whole }) => whole, ""),
      row("batch calls for frontends and names", ({ calls }) => calls, ""),
      row("stores into services, slots and backends", ({ stores }) => stores, ""),
      row("the kernel's part: calls and stores", ({ calls, stores }) => calls + stores, "300 ms"),
    ],
  );
}

const shown = ({ median, lower, upper }: Spread): string =>
  `${median.toFixed(0)} ms (${lower.toFixed(0)}-${upper.toFixed(0)})`;
