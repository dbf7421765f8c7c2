/** A behaviour or a fault that tests name by its id, as in "(KP-28, PF-31)". */
export interface Row {
  readonly id: string;
  /** In one line: what holds. */
  readonly what: string;
  /** Why there is nothing to hold here; ARCHITECTURE.md says the same. */
  readonly moot?: string;
}

/** The ids that a test's full name carries, each once. */
export const rowsNamed = (fullName: string): readonly string[] => [
  ...new Set(fullName.match(/\b(?:KP|PF)-\d+/g)),
];
