import { dirname, join } from "node:path";
import { makeCgroup, removeCgroup } from "./cgroup.ts";
import { addresses, deleteNetns, ip, makeNetns } from "./netns.ts";
import { PodPlace } from "./pod_place.ts";

export type { ServerPorts } from "./serve.ts";

/** A bridge that all pods of the node share, or a route on the node for each of them. */
export type PodLink = "bridge" | "routes";

/** What a pod needs to know of its node. */
export interface PodHost {
  readonly name: string;
  readonly netns: string;
  readonly cgroup: string;
}

export interface PodSpec {
  readonly name: string;
  readonly node: PodHost;
  /** Name of the node's end of the veth pair. */
  readonly device: string;
  readonly link: PodLink;
  /** Whether its cgroup is beside the node's instead of below it. */
  readonly sandboxed: boolean;
  readonly ip4: string;
  readonly ip6: string;
  readonly gateway4: string;
  readonly gateway6: string;
}

/** A pod: a network namespace behind a veth pair, and a cgroup below its node's. */
export class TestPod extends PodPlace implements AsyncDisposable {
  readonly name: string;
  readonly node: PodHost;
  readonly netns: string;
  readonly cgroup: string;
  readonly ip4: string;
  readonly ip6: string;

  private constructor(spec: PodSpec) {
    super();
    this.name = spec.name;
    this.node = spec.node;
    this.netns = `${spec.node.netns}-${spec.name}`;
    this.cgroup = spec.sandboxed
      ? join(dirname(spec.node.cgroup), this.netns)
      : join(spec.node.cgroup, spec.name);
    this.ip4 = spec.ip4;
    this.ip6 = spec.ip6;
  }

  static async create(spec: PodSpec): Promise<TestPod> {
    const pod = new TestPod(spec);
    await makeCgroup(pod.cgroup);
    await makeNetns(pod.netns);
    await ip([...hostLines(spec, pod.netns)], spec.node.netns);
    await ip([...podLines(spec)], pod.netns);
    return pod;
  }

  /** Ends the pod's processes and removes its namespace. Its name may be used again. */
  async [Symbol.asyncDispose](): Promise<void> {
    await removeCgroup(this.cgroup);
    await deleteNetns(this.netns);
  }
}

/** Of the node's ends of veth pairs without a bridge, as Calico has it. */
const hostMac = "ee:ee:ee:ee:ee:ee";
const hostGateway4 = "169.254.1.1";
const hostGateway6 = "fe80::1";

const hostLines = ({ device, link, ip4, ip6 }: PodSpec, netns: string): readonly string[] => [
  `link add ${device} type veth peer name eth0 netns ${netns}`,
  ...(link === "bridge"
    ? [`link set ${device} master cni0 up`]
    : [
        `link set ${device} address ${hostMac}`,
        `link set ${device} addrgenmode none`,
        `addr add ${hostGateway6}/64 dev ${device} nodad`,
        `link set ${device} up`,
        `route add ${ip4}/32 dev ${device}`,
        `route add ${ip6}/128 dev ${device}`,
      ]),
];

const podLines = ({ link, ip4, ip6, gateway4, gateway6 }: PodSpec): readonly string[] =>
  link === "bridge"
    ? [
        ...addresses("eth0", `${ip4}/24`, `${ip6}/64`),
        `route add default via ${gateway4}`,
        `route add ::/0 via ${gateway6}`,
      ]
    : [
        ...addresses("eth0", `${ip4}/32`, `${ip6}/128`),
        `neigh add ${hostGateway4} lladdr ${hostMac} dev eth0 nud permanent`,
        `neigh add ${hostGateway6} lladdr ${hostMac} dev eth0 nud permanent`,
        `route add default via ${hostGateway4} dev eth0 onlink`,
        `route add ::/0 via ${hostGateway6} dev eth0`,
      ];
