import type { IpFamily } from "../model/address.ts";
import type { JoinedEndpoint } from "./join.ts";
import type { Backend, DesiredService } from "./records.ts";

/** Service ports whose traffic has to stay on this node, where no endpoint takes it. */
export interface LocalGap {
  readonly policy: "internal" | "external";
  readonly family: IpFamily;
}

/**
 * Which policies of one Service port leave its traffic without a local endpoint, though there are
 * endpoints elsewhere (KP-14, KP-60). One that has none anywhere is refused by whatever policy.
 */
export function localGaps(
  { id: { family }, internalLocal, externalLocal, frontends, backends }: DesiredService,
  joined: readonly JoinedEndpoint[],
): readonly LocalGap[] {
  const isServed = ({ inLocal }: Backend) => inLocal;
  if (!joined.some(isUsable) || backends.some(isServed)) return [];
  const gaps: LocalGap[] = [];
  if (internalLocal) gaps.push({ policy: "internal", family });
  const isExternal = frontends.some(({ kind }) => kind !== "ClusterIP");
  if (externalLocal && isExternal) gaps.push({ policy: "external", family });
  return gaps;
}

const isUsable = ({ endpoint: { ready, serving, terminating } }: JoinedEndpoint): boolean =>
  ready || (serving && terminating);
