import { type Load, type Site, startLoad, type Target } from "../harness/load.ts";
import { until } from "../harness/until.ts";

export interface KeptLoadOptions {
  /** UDP by sendto and recvfrom on an unconnected socket. */
  readonly unconnected?: boolean;
}

/** A client that goes on talking over one socket; the pod that its socket leads to at first. */
export interface KeptLoad {
  readonly load: Load;
  readonly backend: string;
}

export async function startKeptLoad(
  from: Site,
  to: Target,
  options: KeptLoadOptions = {},
): Promise<KeptLoad> {
  const load = await startLoad(from, to, { ...options, keep: true, gapUs: 2_000 });
  const backend = await until(() => backendOf(load), {
    deadlineMs: 10_000,
    describe: `an answer over ${to.protocol}`,
  });
  return { load, backend };
}

/** As `startKeptLoad`, with a socket that leads to this pod. */
export async function startKeptLoadOn(
  wanted: string,
  ...begin: Parameters<typeof startKeptLoad>
): Promise<Load> {
  return await until(
    async () => {
      const { load, backend } = await startKeptLoad(...begin);
      if (backend !== wanted) await load.stop();
      return backend === wanted && load;
    },
    { deadlineMs: 20_000, describe: `a socket that leads to ${wanted}` },
  );
}

/** Resolves once a kept socket, or the one that took its place, is answered by this pod. */
export async function movesTo(load: Load, wanted: string): Promise<void> {
  await until(() => backendOf(load) === wanted, {
    deadlineMs: 20_000,
    describe: () => `${wanted} to answer; it is ${backendOf(load)}`,
  });
}

const backendOf = (load: Load): string | undefined => {
  const last = load.attempts.at(-1);
  return last?.ok ? last.backend : undefined;
};
