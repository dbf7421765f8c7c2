/** Where in an object: field names and list positions from its root. */
export type Path = readonly (string | number)[];

/**
 * What is wrong with an object. An error means that what it points at is left out of the result; a
 * warning means that nothing is.
 */
export interface Fault {
  readonly severity: "error" | "warning";
  readonly path: Path;
  /** What is wrong and what mends it, without the place. */
  readonly message: string;
}

/**
 * What an object of the Kubernetes API comes to. "skipped": it is not for this proxy (KP-01, KP-03).
 * "invalid": nothing of it can be used. Otherwise `object` is what its valid part says.
 */
export type Parsed<T> =
  | { readonly kind: "object"; readonly object: T; readonly faults: readonly Fault[] }
  | { readonly kind: "skipped"; readonly faults: readonly Fault[] }
  | { readonly kind: "invalid"; readonly faults: readonly Fault[] };

/** The same with another object; what is no object stays as it is. */
export function mapParsed<From, To>(parsed: Parsed<From>, map: (object: From) => To): Parsed<To> {
  return parsed.kind === "object" ? { ...parsed, object: map(parsed.object) } : parsed;
}

export const error = (path: Path, message: string): Fault => ({ severity: "error", path, message });

export const warning = (path: Path, message: string): Fault => ({
  severity: "warning",
  path,
  message,
});

export const hasError = (faults: readonly Fault[]): boolean =>
  faults.some((fault) => fault.severity === "error");

/** `spec.ports[0].port`, as kubectl writes it. */
export function pathText(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}
