import { type Child, type Finished, finish, start } from "./child.ts";
import { netnsPath } from "./netns.ts";

/** Where a process runs. What is left out stays as it is for this process. */
export interface Place {
  /** Path of a cgroup directory. */
  readonly cgroup?: string | undefined;
  /** Name of a network namespace. */
  readonly netns?: string | undefined;
}

export interface ProcessOptions {
  readonly env?: NodeJS.ProcessEnv;
}

// The shell joins the cgroup before it becomes the command, so that no socket of the command is
// ever made outside. nsenter rather than `ip netns exec`: the latter mounts a fresh /sys, which
// hides cgroups and bpffs.
const enter = `set -e
if [ -n "$1" ]; then echo 0 > "$1/cgroup.procs"; fi
netns=$2
shift 2
if [ -n "$netns" ]; then exec nsenter "--net=$netns" -- "$@"; fi
exec "$@"`;

/** Starts a command inside the place. It dies with this process. */
export function startIn(
  place: Place,
  command: string,
  args: readonly string[],
  options: ProcessOptions = {},
): Child {
  const netns = place.netns === undefined ? "" : netnsPath(place.netns);
  const env = options.env ?? process.env;
  return start("sh", ["-c", enter, "sh", place.cgroup ?? "", netns, command, ...args], { env });
}

/** Runs a command inside the place to its end, whatever the exit code. */
export const runIn = (
  place: Place,
  command: string,
  args: readonly string[],
  options: ProcessOptions = {},
): Promise<Finished> => finish(startIn(place, command, args, options));
