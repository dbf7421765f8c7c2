const secondsOf: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3_600,
};

/** The seconds that Go's text for a duration means; undefined where it is none, or below zero. */
export function durationSeconds(text: string): number | undefined {
  if (text === "0") return 0;
  if (!/^\+?((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  return [...text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)].reduce(
    (sum, [, count, unit = ""]) => sum + Number(count) * (secondsOf[unit] ?? 0),
    0,
  );
}
