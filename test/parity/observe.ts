import { probeOf } from "./cells.ts";
import type { Asked } from "./comparison.ts";
import { type Outcome, outcomeOf, sticky } from "./outcome.ts";
import type { ServiceCase } from "./scenario.ts";
import { positions, type Side } from "./side.ts";

/** What the clients of one side observe, in the order asked. */
export async function observeAt(
  side: Side,
  asked: readonly Asked[],
  patience: number,
): Promise<readonly Outcome[]> {
  const outcomes = new Map<Asked, Outcome>();
  const ask = async (from: (typeof positions)[number]): Promise<void> => {
    const own = asked.filter(({ cell }) => cell.from === from);
    if (own.length === 0) return;
    const probes = own.map(({ cell, placed }) =>
      probeOf(cell, endpointsOf(placed.service), patience),
    );
    const answers = await side.ask(from, probes);
    for (const [index, each] of own.entries()) {
      outcomes.set(each, outcomeOf(answers[index] ?? [], from, side));
    }
  };
  await Promise.all(positions.map(ask));
  return withAffinity(asked, outcomes);
}

function withAffinity(
  asked: readonly Asked[],
  outcomes: ReadonlyMap<Asked, Outcome>,
): readonly Outcome[] {
  const groups = new Map<string, Outcome[]>();
  for (const each of asked) {
    const group = groups.get(groupOf(each)) ?? [];
    group.push(outcomes.get(each) ?? []);
    groups.set(groupOf(each), group);
  }
  return asked.map((each) => {
    const outcome = outcomes.get(each) ?? [];
    const isSticky = each.placed.service.affinitySeconds !== undefined;
    return isSticky ? sticky(outcome, groups.get(groupOf(each)) ?? []) : outcome;
  });
}

/** What shares a client's choice: a Service port of a family, apart where policies lead apart. */
function groupOf({ placed: { name, service }, cell }: Asked): string {
  const { from, family, protocol, kind, servicePort } = cell;
  const { internalTrafficPolicy: internal, externalTrafficPolicy: external } = service;
  const isApart = internal === "Local" || external === "Local";
  const way = isApart && kind === "ClusterIP" ? "internal" : "any";
  return JSON.stringify([name, from, family, protocol, servicePort?.name, servicePort?.port, way]);
}

const endpointsOf = ({ endpoints = [], slices }: ServiceCase): number =>
  slices?.reduce((sum, { endpoints: own }) => sum + own.length, 0) ?? endpoints.length;
