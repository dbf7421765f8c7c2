/** The one spelling of a namespaced name, "namespace/name"; neither part may hold a slash. */
export function objectKey(namespace: string, name: string): string {
  // Joined rather than concatenated: it is kept, and V8 keeps concatenations with all their parts.
  return [namespace, name].join("/");
}
