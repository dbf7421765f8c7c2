import type { DesiredService } from "../compile/records.ts";
import { frontendTexts } from "./frontend_text.ts";
import type { HeldFrontends } from "./held_frontends.ts";
import type { ServiceTable } from "./service_table.ts";

/**
 * Adds to the works of a round (by `portKey`) those that wait for an address which the round sets
 * free, so that it moves in place; and those that wait for what these let go in turn.
 */
export function joinWaiting(
  works: Map<string, DesiredService>,
  removed: ReadonlySet<number>,
  unfinished: readonly (readonly [key: string, desired: DesiredService])[],
  held: HeldFrontends,
  table: ServiceTable,
): void {
  const waiting = unfinished.filter(([key]) => !works.has(key));
  if (waiting.length === 0) return;
  const freed = new Set([...removed].flatMap((index) => held.of(index)));
  const free = (key: string, service: DesiredService) => {
    const index = table.index(key);
    const wanted = frontendTexts(service);
    const texts = index === undefined ? [] : held.of(index);
    for (const text of texts) if (!wanted.includes(text)) freed.add(text);
  };
  for (const [key, service] of works) free(key, service);
  for (let size = -1; size !== works.size; ) {
    size = works.size;
    for (const [key, service] of waiting) {
      if (works.has(key) || !frontendTexts(service).some((text) => freed.has(text))) continue;
      works.set(key, service);
      free(key, service);
    }
  }
}
