import type { EndpointSlice } from "./endpoint.ts";
import type { Node } from "./node.ts";
import type { Service } from "./service.ts";
import type { ServiceCidr } from "./service_cidr.ts";

export type Resource = "services" | "endpointslices" | "nodes" | "servicecidrs" | "foreignservices";

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
  /** A Service of another proxy, which keeps its ClusterIPs (KP-01). */
  | {
      readonly kind: "foreign-service";
      readonly namespace: string;
      readonly name: string;
      readonly addresses: readonly string[];
    }
  | { readonly kind: "foreign-service-deleted"; readonly namespace: string; readonly name: string }
  | { readonly kind: "service-cidr"; readonly serviceCidr: ServiceCidr }
  | { readonly kind: "service-cidr-deleted"; readonly name: string }
  | { readonly kind: "synced"; readonly resource: Resource };
