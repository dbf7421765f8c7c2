import { type Frontend, FrontendFlag, FrontendKind } from "../../bpf/build/layout.ts";
import type { DesiredService } from "../compile/records.ts";
import { textOfFrontend } from "./frontend_text.ts";

/** A frontend as a Service port wants it, and what the map should say of it but for the index. */
export interface WantedFrontend {
  readonly text: string;
  readonly kind: number;
  readonly flags: number;
}

const kinds = {
  ClusterIP: FrontendKind.CLUSTER_IP,
  ExternalIP: FrontendKind.EXTERNAL_IP,
  LoadBalancer: FrontendKind.LOAD_BALANCER,
  NodePort: FrontendKind.NODE_PORT,
} as const;

/** Source ranges hold for LoadBalancer addresses alone (KP-23, KP-24). */
export function wantedFrontends(desired: DesiredService): readonly WantedFrontend[] {
  return desired.frontends.map((frontend) => {
    const { kind } = frontend;
    const isLimited = kind === "LoadBalancer" && desired.sourceRanges !== undefined;
    return {
      text: textOfFrontend(desired.id, frontend),
      kind: kinds[kind],
      flags: isLimited ? FrontendFlag.SOURCE_RANGES : 0,
    };
  });
}

export const isLimited = ({ flags }: Pick<Frontend, "flags">): boolean =>
  (flags & FrontendFlag.SOURCE_RANGES) !== 0;

export const isNodePort = ({ kind }: Pick<Frontend, "kind">): boolean =>
  kind === FrontendKind.NODE_PORT;

export const sameValue = (a: Frontend, b: Frontend): boolean =>
  a.service === b.service && a.kind === b.kind && a.flags === b.flags;
