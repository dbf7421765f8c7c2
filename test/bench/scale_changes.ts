import { ScaleCluster } from "./scale_cluster.ts";
import { ScaleLoop } from "./scale_loop.ts";
import { ScaleMaps } from "./scale_maps.ts";
import { ENDPOINTS } from "./scale_objects.ts";
import { at } from "./statistics.ts";
import { printTable } from "./table.ts";

const SIZES = [100, 1_000, 10_000, 100_000];
const CHANGES = 2_000;
const WARM_UP = 500;
/** Changes of one cluster before the next has its turn. */
const TURN = 20;

interface Side {
  readonly cluster: ScaleCluster;
  readonly loop: ScaleLoop;
  readonly microseconds: number[];
}

/** What one replaced endpoint costs, from its event to its publication, by the cluster's size. */
export async function benchChanges(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const sides: Side[] = [];
  for (const endpoints of SIZES) {
    const { datapath } = stack.use(await ScaleMaps.create());
    const cluster = new ScaleCluster(endpoints / ENDPOINTS);
    const loop = await ScaleLoop.on(datapath.maps);
    loop.publish(cluster.first());
    sides.push({ cluster, loop, microseconds: [] });
  }
  for (let done = 0; done < WARM_UP + CHANGES; done += TURN) {
    for (const side of sides) await takeTurn(side);
  }
  print(sides);
}

/** Turns alternate faster than the machine drifts. */
async function takeTurn({ cluster, loop, microseconds }: Side): Promise<void> {
  for (let i = 0; i < TURN; i++) {
    const event = cluster.replacement();
    microseconds.push(loop.publish([event]) * 1000);
  }
  await loop.reclaimed();
}

function print(sides: readonly Side[]): void {
  console.log(`
One endpoint of a Service of ${ENDPOINTS} is replaced: time in this process from the event to its
publication in real maps, ${CHANGES} changes at each size, in interleaved turns.
`);
  const rows = sides.map(({ cluster, microseconds }) => {
    const sorted = microseconds.slice(WARM_UP).sort((a, b) => a - b);
    return [
      `${cluster.endpoints}`,
      ...[0.5, 0.9, 0.99].map((share) => `${at(sorted, share).toFixed(1)} µs`),
    ];
  });
  printTable(["ENDPOINTS", "P50", "P90", "P99"], rows);
}
