const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** The clock of flows holds longer ones, and nobody needs them. */
const LONGEST_SECONDS = 365 * 86_400;

/** `30s`, `5m`, `1h30m`, `2d` in seconds: 1 s to 365 d. */
export function parseDuration(text: string): number {
  const seconds = /^(\d{1,9}[smhd])+$/.test(text)
    ? [...text.matchAll(/(\d+)([smhd])/g)].reduce((sum, part) => sum + partSeconds(part), 0)
    : 0;
  if (seconds < 1 || seconds > LONGEST_SECONDS) {
    throw new Error(
      `${JSON.stringify(text)} is not valid; use a time such as 30s, 5m, 24h or 1h30m, at most 365d`,
    );
  }
  return seconds;
}

const partSeconds = ([, count, unit]: RegExpMatchArray): number =>
  Number(count) * (secondsOf[unit ?? ""] ?? 0);
