import type { Child, Finished } from "./child.ts";
import { type ProcessOptions, runIn, startIn } from "./place.ts";
import { type ServeOptions, type ServerPorts, serve } from "./serve.ts";

/** Where a pod's processes run, whosever network that is. */
export abstract class PodPlace {
  abstract readonly name: string;
  abstract readonly netns: string;
  abstract readonly cgroup: string;

  start(command: string, args: readonly string[], options: ProcessOptions = {}): Child {
    return startIn(this, command, args, options);
  }

  /** Runs a process in the pod to its end, whatever the exit code. */
  run(command: string, args: readonly string[], options: ProcessOptions = {}): Promise<Finished> {
    return runIn(this, command, args, options);
  }

  /**
   * Starts a server that answers with the pod's name and the client's address, and then echoes.
   * Resolves once it listens.
   */
  serve(ports: ServerPorts, options: ServeOptions = {}): Promise<Child> {
    return serve(this, ports, options);
  }
}
