import type { Row } from "./row.ts";

/**
 * What kube-proxy does on Linux, read from Kubernetes 1.36 (pkg/proxy, cmd/kube-proxy), as far as
 * whoever runs a cluster could notice it. Each row has a passing test that names it, or a reason.
 */
export const kubeProxyRows: readonly Row[] = [
  {
    id: "KP-01",
    what: "lists and watches Services and EndpointSlices by kube-proxy's selectors, ServiceCIDRs and its own Node; nothing else; with system:node-proxier's rights",
  },
  {
    id: "KP-02",
    what: "leaves out headless and ExternalName Services; IPv4 and IPv6 are programmed independently",
  },
  {
    id: "KP-03",
    what: "which slices, ports and endpoints count, what their conditions default to, and how they join Service ports",
  },
  {
    id: "KP-04",
    what: "programs nothing before Services and slices have been listed; what is programmed outlives the process",
  },
  {
    id: "KP-05",
    what: "of the Node: its zone, and its IP (bindAddress first, loopback last, waited for up to 30 s)",
  },
  {
    id: "KP-10",
    what: "a Service port uses the endpoints of the cluster, those of the node, or both, by its traffic policies",
  },
  {
    id: "KP-11",
    what: "topology hints: the node's, else the zone's, where every ready endpoint has some",
  },
  {
    id: "KP-12",
    what: "the cluster's set: ready endpoints, else serving ones that terminate, hints or not",
  },
  { id: "KP-13", what: "the node's set: ready endpoints, else serving ones that terminate" },
  {
    id: "KP-14",
    what: "without endpoints: refused everywhere; where only the node's are missing, dropped for those whom the policy binds",
  },
  { id: "KP-20", what: "ClusterIPs, one per family, and whom they see as client" },
  {
    id: "KP-21",
    what: "clients from outside are masqueraded, or keep their address under externalTrafficPolicy Local",
  },
  {
    id: "KP-22",
    what: "addresses of load balancers whose ipMode is VIP or unset, no others",
  },
  { id: "KP-23", what: "externalIPs, of any type of Service, with the external traffic policy" },
  {
    id: "KP-24",
    what: "loadBalancerSourceRanges hold everybody at load balancer addresses only, but for a node inside a range; invalid ones are said and ignored",
  },
  { id: "KP-25", what: "no NodePort where none is allocated" },
  {
    id: "KP-26",
    what: "the addresses at which NodePorts answer: CIDRs, primary, and besides localhost and all",
  },
  { id: "KP-27", what: "NodePorts at the loopback address" },
  {
    id: "KP-28",
    what: "ClientIP affinity: per client, port and protocol, refreshed by each connection, ended by its timeout or its endpoint, kept over a restart",
  },
  { id: "KP-29", what: "a pod that reaches itself through its Service" },
  { id: "KP-30", what: "an even, random choice among endpoints" },
  {
    id: "KP-31",
    what: "ports of a ClusterIP that no Service has, and addresses of a ServiceCIDR that none has",
  },
  {
    id: "KP-32",
    what: "local detectors, which tell pods of the node from others",
    moot: "they choose whose address is hidden from a ClusterIP's endpoints; here everybody's own address is seen. The settings are taken and said to be without effect.",
  },
  {
    id: "KP-33",
    what: "named and several ports, one number or NodePort for more than one protocol",
  },
  {
    id: "KP-34",
    what: "a Service changes its type or ports, or is made again with the same address",
  },
  {
    id: "KP-40",
    what: "health check node ports: for whom, where, status, headers, body, and an event when one is taken",
  },
  {
    id: "KP-41",
    what: "/healthz and /livez: old updates, a Node that goes away, status by family",
  },
  {
    id: "KP-42",
    what: "/metrics, /healthz, /proxyMode, /configz and the profiler where metrics are",
  },
  {
    id: "KP-50",
    what: "every field of KubeProxyConfiguration and its default",
  },
  { id: "KP-51", what: "the files and the start that kubeadm writes, unset values included" },
  {
    id: "KP-52",
    what: "every flag of kube-proxy; a file before its flags; a changed file ends the process",
  },
  {
    id: "KP-53",
    what: "sysctls of conntrack, the loopback, IPVS and ARP",
    moot: "no translation looks at nf_conntrack or IPVS, and no address is bound to a device: no sysctl is set. The timeouts of the settings are those of `flows`; its limits are taken and said to be without effect.",
  },
  {
    id: "KP-54",
    what: "a pause between syncs, another try after one that failed, a look over everything now and then",
  },
  { id: "KP-60", what: "kube-proxy's metrics by name, type and label" },
  { id: "KP-70", what: "UDP clients move off endpoints that serve no more" },
  {
    id: "KP-80",
    what: "virtual and real servers of IPVS mode",
    moot: "what another proxy's IPVS mode has in the kernel: nothing of it is read or written. Taking it over is to come.",
  },
  { id: "KP-81", what: "the device kube-ipvs0, by which IPVS mode is known" },
  {
    id: "KP-82",
    what: "IPVS mode takes all of IPVS for its own",
    moot: "nothing here owns or deletes a virtual server, its own or a foreign one.",
  },
  {
    id: "KP-83",
    what: "ipsets of IPVS mode",
    moot: "no ipset is made, and those of another proxy are not looked for: kube-ipvs0 shows that it is there. Taking it over is to come.",
  },
  {
    id: "KP-84",
    what: "when Kubernetes gives IPVS mode up",
    moot: "a date, not a behaviour.",
  },
  {
    id: "KP-90",
    what: "the chains of iptables mode, by which it is known",
  },
  {
    id: "KP-91",
    what: "the chains of IPVS mode, which its own clean-up removes",
    moot: "removing what another proxy has left is its own `--cleanup`'s; kube-ipvs0 shows that it is there. Taking it over is to come.",
  },
  { id: "KP-92", what: "the tables of nftables mode, by which it is known" },
];
