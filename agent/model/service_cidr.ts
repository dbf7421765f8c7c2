/** What matters of a ServiceCIDR: where the API server may take ClusterIPs from. */
export interface ServiceCidr {
  readonly name: string;
  /** As `cidrText` spells them. */
  readonly cidrs: readonly string[];
}
