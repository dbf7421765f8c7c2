import { addon, type Handle } from "./addon.ts";
import { ArgumentError, check } from "./errors.ts";

export interface OpenPinnedOptions {
  /** Of maps: writes through this handle are refused (EPERM). */
  readonly readOnly?: boolean;
}

const BPF_F_RDONLY = 8;

/** The path must lie in a bpffs (`mountBpffs`) and be free: EEXIST otherwise. */
export function pin(handle: Handle, kind: number, path: string): void {
  checkPath(path);
  check("pin", path, addon.pin(handle, kind, path));
}

/** EINVAL where the pin is of another kind of thing. */
export function openPinned<T>(
  kind: number,
  path: string,
  options: OpenPinnedOptions | undefined,
  wrap: (handle: Handle) => T,
): T {
  checkPath(path);
  const flags = options?.readOnly === true ? BPF_F_RDONLY : 0;
  return wrap(check<Handle>("openPinned", path, addon.openPinned(kind, path, flags)));
}

function checkPath(path: string): void {
  if (typeof path !== "string" || path === "" || path.includes("\0")) {
    throw new ArgumentError("a pin's path is a text that is not empty and has no NUL");
  }
}
