import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { command } from "../harness/command.ts";

export type ComponentName = "etcd" | "kube-apiserver" | "kube-controller-manager" | "kube-proxy";

/** How a component is started: a program and the arguments that come before its flags. */
export interface Binary {
  readonly path: string;
  readonly args: readonly string[];
}

let built: Promise<string> | undefined;

const isExecutable = async (path: string): Promise<boolean> => {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/**
 * The component from KUBEBUILDER_ASSETS where that is set and has it, else from the program in this
 * folder, which is built when the cache has none: that takes minutes, once.
 */
export async function findBinary(component: ComponentName): Promise<Binary> {
  const assets = process.env.KUBEBUILDER_ASSETS;
  if (assets !== undefined) {
    const path = join(assets, component);
    if (await isExecutable(path)) return { path, args: [] };
  }
  built ??= command("sh", [join(import.meta.dirname, "build.sh")], { deadlineMs: 30 * 60_000 });
  return { path: (await built).trim(), args: [component] };
}
