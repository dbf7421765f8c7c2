/** Entries written to each map; a record counts once a change, however many of its fields it alters. */
export interface Writes {
  readonly frontends: number;
  readonly services: number;
  readonly slots: number;
  readonly backends: number;
  readonly names: number;
  readonly sourceRanges: number;
  readonly serviceCidrs: number;
}

export const noWrites: Writes = {
  frontends: 0,
  services: 0,
  slots: 0,
  backends: 0,
  names: 0,
  sourceRanges: 0,
  serviceCidrs: 0,
};

export const addWrites = (a: Writes, b: Writes): Writes => ({
  frontends: a.frontends + b.frontends,
  services: a.services + b.services,
  slots: a.slots + b.slots,
  backends: a.backends + b.backends,
  names: a.names + b.names,
  sourceRanges: a.sourceRanges + b.sourceRanges,
  serviceCidrs: a.serviceCidrs + b.serviceCidrs,
});

export const countWrites = (writes: Writes): number =>
  Object.values(writes).reduce((sum, count) => sum + count, 0);
