import { homedir } from "node:os";
import { join } from "node:path";

/** A folder outside the tree for what is fetched once: `SLUICE_CACHE`, else the XDG cache. */
export const cacheFolder = (...parts: readonly string[]): string => {
  const base = process.env.SLUICE_CACHE;
  if (base !== undefined && base !== "") return join(base, ...parts);
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "sluice", ...parts);
};
