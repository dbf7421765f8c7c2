/**
 * The first cgroup2 mount point in the text of /proc/mounts, or undefined where there is none.
 * Blanks in a path are written there as octal escapes (proc_mounts(5)).
 */
export function findCgroup2(mounts: string): string | undefined {
  const path = mounts
    .split("\n")
    .map((line) => line.split(" "))
    .find(([, , type]) => type === "cgroup2")?.[1];
  return path?.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
}
