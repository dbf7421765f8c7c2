/** The one spelling of a namespaced name, "namespace/name"; neither part may hold a slash. */
export function objectKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}
