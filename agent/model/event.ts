import type { EndpointSlice } from "./endpoint.ts";
import type { Node } from "./node.ts";
import type { Service } from "./service.ts";

export type Resource = "services" | "endpointslices" | "nodes";

/**
 * What a source says, in order. `synced` says that every object of that resource that existed when
 * the source started has been said; it comes once per resource and source.
 */
export type SourceEvent =
  | { readonly kind: "service"; readonly service: Service }
  | { readonly kind: "service-deleted"; readonly namespace: string; readonly name: string }
  | { readonly kind: "slice"; readonly slice: EndpointSlice }
  | { readonly kind: "slice-deleted"; readonly namespace: string; readonly name: string }
  | { readonly kind: "node"; readonly node: Node }
  | { readonly kind: "node-deleted"; readonly name: string }
  | { readonly kind: "synced"; readonly resource: Resource };
