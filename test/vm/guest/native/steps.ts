import { connectRewritten, pinnedLink, updatedLink } from "./links.ts";
import { batches, batchFallback, mappedMemory, perCpuBatches } from "./maps.ts";
import { probes } from "./probes.ts";
import { loadedObject, refusedProgram, ringBuffer } from "./programs.ts";
import { destroyedSocket, iteratedSockets } from "./sockets.ts";
import { gracePeriod, interfaces } from "./surroundings.ts";
import { tcByNetlink, tcx } from "./traffic.ts";

/** Something that the bindings do; what it gives is JSON. */
export type Step = () => unknown;

export const steps = {
  probes,
  loadedObject,
  refusedProgram,
  ringBuffer,
  batches,
  perCpuBatches,
  batchFallback,
  mappedMemory,
  connectRewritten,
  updatedLink,
  pinnedLink,
  iteratedSockets,
  destroyedSocket,
  tcByNetlink,
  tcx,
  gracePeriod,
  interfaces,
} satisfies Record<string, Step>;

/** By step: what it gave, or where it threw as `failed`. */
export type NativeReport = { readonly kernel: string } & {
  readonly [Name in keyof typeof steps]:
    | Awaited<ReturnType<(typeof steps)[Name]>>
    | { readonly failed: string };
};
