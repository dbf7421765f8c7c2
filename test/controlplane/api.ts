import {
  CoreV1Api,
  DiscoveryV1Api,
  KubeConfig,
  PatchStrategy,
  setHeaderOptions,
  type V1EndpointSlice,
  type V1Node,
  type V1Pod,
  type V1PodStatus,
  type V1Service,
  type V1ServiceStatus,
} from "@kubernetes/client-node";
import { type WaitOptions, waitByWatch } from "./wait.ts";

/** One endpoint of a Service, flat; conditions as the controller wrote them. */
export interface ListedEndpoint {
  readonly address: string;
  readonly family: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly pod: string | undefined;
  readonly node: string | undefined;
}

const namespace = "default";
const mergePatch = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);
const strategicPatch = setHeaderOptions("Content-Type", PatchStrategy.StrategicMergePatch);

const flatten = (slice: V1EndpointSlice): ListedEndpoint[] =>
  (slice.endpoints ?? []).map((endpoint) => ({
    address: endpoint.addresses[0] ?? "",
    family: slice.addressType,
    ready: endpoint.conditions?.ready ?? true,
    serving: endpoint.conditions?.serving ?? true,
    terminating: endpoint.conditions?.terminating ?? false,
    pod: endpoint.targetRef?.name,
    node: endpoint.nodeName,
  }));

/** What tests do with the API, in the namespace "default". `core` and `discovery` do the rest. */
export class Api {
  readonly config: KubeConfig;
  readonly core: CoreV1Api;
  readonly discovery: DiscoveryV1Api;

  constructor(kubeconfig: string) {
    this.config = new KubeConfig();
    this.config.loadFromFile(kubeconfig);
    this.core = this.config.makeApiClient(CoreV1Api);
    this.discovery = this.config.makeApiClient(DiscoveryV1Api);
  }

  createService(name: string, spec: V1Service["spec"], metadata: V1Service["metadata"] = {}) {
    const body = { metadata: { ...metadata, name }, ...(spec && { spec }) };
    return this.core.createNamespacedService({ namespace, body });
  }

  /** RFC 7386 merge patch. */
  patchService(name: string, body: object): Promise<V1Service> {
    return this.core.patchNamespacedService({ namespace, name, body }, mergePatch);
  }

  patchServiceStatus(name: string, status: V1ServiceStatus): Promise<V1Service> {
    const body = { status };
    return this.core.patchNamespacedServiceStatus({ namespace, name, body }, mergePatch);
  }

  async deleteService(name: string): Promise<void> {
    await this.core.deleteNamespacedService({ namespace, name });
  }

  createNode(body: V1Node): Promise<V1Node> {
    return this.core.createNode({ body });
  }

  patchNode(name: string, body: object): Promise<V1Node> {
    return this.core.patchNode({ name, body }, mergePatch);
  }

  patchNodeStatus(name: string, status: V1Node["status"]): Promise<V1Node> {
    return this.core.patchNodeStatus({ name, body: { status } }, mergePatch);
  }

  createPod(name: string, spec: V1Pod["spec"], metadata: V1Pod["metadata"] = {}): Promise<V1Pod> {
    const body = { metadata: { ...metadata, name }, ...(spec && { spec }) };
    return this.core.createNamespacedPod({ namespace, body });
  }

  patchPod(name: string, body: object): Promise<V1Pod> {
    return this.core.patchNamespacedPod({ namespace, name, body }, mergePatch);
  }

  patchPodStatus(name: string, status: V1PodStatus): Promise<V1Pod> {
    const body = { status };
    return this.core.patchNamespacedPodStatus({ namespace, name, body }, strategicPatch);
  }

  setPodReady(name: string, ready: boolean): Promise<V1Pod> {
    // The controller passes this time on as the time of the endpoint's change.
    const lastTransitionTime = new Date();
    const status = ready ? "True" : "False";
    const conditions = [{ type: "Ready", status, lastTransitionTime }];
    return this.patchPodStatus(name, { conditions });
  }

  /**
   * With a grace period the pod becomes terminating and stays so until it is deleted with 0, as no
   * kubelet confirms its end.
   */
  async deletePod(name: string, gracePeriodSeconds = 0): Promise<void> {
    await this.core.deleteNamespacedPod({ namespace, name, gracePeriodSeconds });
  }

  /** What the slices of a Service say now, by address. */
  async endpoints(service: string): Promise<readonly ListedEndpoint[]> {
    const labelSelector = `kubernetes.io/service-name=${service}`;
    const { items } = await this.discovery.listNamespacedEndpointSlice({
      namespace,
      labelSelector,
    });
    return sorted(items);
  }

  /** Resolves with a Service's endpoints once `isFulfilled` holds of them; watches the slices. */
  async waitForEndpoints(
    service: string,
    isFulfilled: (endpoints: readonly ListedEndpoint[]) => boolean,
    options: WaitOptions,
  ): Promise<readonly ListedEndpoint[]> {
    const labelSelector = `kubernetes.io/service-name=${service}`;
    const slices = await waitByWatch<V1EndpointSlice>(
      this.config,
      {
        path: `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
        query: { labelSelector },
        list: () => this.discovery.listNamespacedEndpointSlice({ namespace, labelSelector }),
      },
      (items) => isFulfilled(sorted(items)),
      options,
    );
    return sorted(slices);
  }

  /** Resolves once the ready endpoints of a Service are exactly these addresses. */
  async waitForReady(service: string, addresses: readonly string[]): Promise<void> {
    const wanted = addresses.toSorted().join();
    await this.waitForEndpoints(
      service,
      (endpoints) => readyAddresses(endpoints).join() === wanted,
      { deadlineMs: 60_000, describe: `the ready endpoints of ${service} to be ${wanted}` },
    );
  }
}

const sorted = (slices: readonly V1EndpointSlice[]): readonly ListedEndpoint[] =>
  slices.flatMap(flatten).toSorted((a, b) => (a.address < b.address ? -1 : 1));

const readyAddresses = (endpoints: readonly ListedEndpoint[]): readonly string[] =>
  endpoints
    .filter((each) => each.ready)
    .map((each) => each.address)
    .toSorted();
