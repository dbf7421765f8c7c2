/** What matters of the Node that the agent runs on. */
export interface Node {
  readonly name: string;
  /** The label `topology.kubernetes.io/zone` (KP-05). */
  readonly zone: string | undefined;
  /** Internal addresses first, then external ones; canonical text. */
  readonly addresses: readonly string[];
  /** Being deleted, or tainted `ToBeDeletedByClusterAutoscaler` (KP-41). */
  readonly leaving: boolean;
}
