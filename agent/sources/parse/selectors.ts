import type { Resource } from "../../model/event.ts";
import type { Fields } from "./fields.ts";

/** A Service with this label belongs to another proxy, whatever its value (KP-01). */
const proxyNameLabel = "service.kubernetes.io/service-proxy-name";
/** An EndpointSlice with this label belongs to a headless Service (KP-01). */
const headlessLabel = "service.kubernetes.io/headless";
/** Names the Service that an EndpointSlice belongs to (KP-03). */
export const serviceNameLabel = "kubernetes.io/service-name";

export interface Selectors {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** What the API server is asked for (KP-01). `servesService` and `servesSlice` say the same here. */
export function selectorsOf(resource: Resource, nodeName: string): Selectors {
  switch (resource) {
    case "services":
      return { labelSelector: `!${proxyNameLabel}`, fieldSelector: "spec.clusterIP!=None" };
    case "endpointslices":
      return { labelSelector: `!${headlessLabel}` };
    case "nodes":
      return { fieldSelector: `metadata.name=${nodeName}` };
    case "servicecidrs":
      return {};
    case "foreignservices":
      return { labelSelector: proxyNameLabel, fieldSelector: "spec.clusterIP!=None" };
  }
}

export const servesService = (labels: Fields, clusterIP: unknown): boolean =>
  !(proxyNameLabel in labels) && clusterIP !== "None";

/** Another proxy serves it. */
export const isForeignService = (labels: Fields, clusterIP: unknown): boolean =>
  proxyNameLabel in labels && clusterIP !== "None";

export const servesSlice = (labels: Fields): boolean => !(headlessLabel in labels);
