import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BpfMap } from "libbpf-ts";
import type { ServiceReport } from "../../agent/datapath/report.ts";
import { type AgentOptions, TestAgent } from "../harness/agent.ts";
import { ownPrefix } from "../harness/leftovers.ts";
import { Network } from "../harness/network.ts";
import type { TestNode } from "../harness/node.ts";
import type { ServerPorts, TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";
import {
  type EndpointSpec,
  familiesOf,
  type PortSpec,
  removeService,
  type ServiceSpec,
  writeService,
} from "./manifests.ts";

const publishMs = 10_000;

export interface ServedNodeOptions {
  /** Of the agent. */
  readonly flags?: readonly string[];
  /** Of the agent's processes: the program and its first arguments. */
  readonly command?: NonNullable<AgentOptions["command"]>;
  /** Where the node is to stand; default in a network of its own. */
  readonly network?: Network;
}

/** A node with an agent on a folder of manifests: what each suite of the datapath starts from. */
export class ServedNode implements AsyncDisposable {
  readonly network: Network;
  readonly node: TestNode;
  readonly folder: string;
  readonly agent: TestAgent;
  readonly #ownsNetwork: boolean;

  private constructor(
    node: TestNode,
    agent: TestAgent,
    folder: string,
    network: Network,
    owns: boolean,
  ) {
    this.network = network;
    this.node = node;
    this.folder = folder;
    this.agent = agent;
    this.#ownsNetwork = owns;
  }

  static async start({ network, ...options }: ServedNodeOptions = {}): Promise<ServedNode> {
    const ground = network ?? (await Network.create());
    try {
      const node = await ground.makeNode(`node-${ground.nodes.length + 1}`);
      const folder = await mkdtemp(join(tmpdir(), `${ownPrefix}manifests-`));
      const agent = await TestAgent.start({ node, source: { folder }, ...options });
      return new ServedNode(node, agent, folder, ground, network === undefined);
    } catch (error) {
      if (network === undefined) await ground[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A pod on this node whose server listens on these ports. */
  async backend(name: string, ports: ServerPorts): Promise<TestPod> {
    const pod = await this.node.makePod(name);
    await pod.serve(ports);
    return pod;
  }

  /**
   * Writes a Service and waits until each of its ports has in the kernel exactly these endpoints to
   * choose from; by default all that the port has.
   */
  async publish(spec: ServiceSpec, selected?: readonly EndpointSpec[]): Promise<void> {
    await writeService(this.folder, spec);
    await until(async () => isPublished(spec, await this.service(spec.name), selected), {
      deadlineMs: publishMs,
      describe: () => `${spec.name} to be published; the agent said: ${this.agent.log}`,
    });
  }

  async remove(name: string): Promise<void> {
    await removeService(this.folder, name);
    await until(async () => (await this.service(name)).length === 0, {
      deadlineMs: publishMs,
      describe: `${name} to be removed`,
    });
  }

  /** Every port and family of one Service, as the kernel holds them. */
  async service(name: string): Promise<readonly ServiceReport[]> {
    return (await this.agent.services()).filter((each) => each.name === name);
  }

  /** One port of a Service in one family. */
  async servicePort(
    name: string,
    portName: string,
    family: "IPv4" | "IPv6",
  ): Promise<ServiceReport> {
    const all = await this.service(name);
    const found = all.find((each) => each.portName === portName && each.family === family);
    if (found === undefined) throw new Error(`no port ${portName} of ${name} in ${family}`);
    return found;
  }

  /** A map of this agent, by the name that it has in maps.h. */
  map(name: string): BpfMap {
    return BpfMap.openPinned(join(this.agent.pinPath, "maps", name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agent[Symbol.asyncDispose]();
    if (this.#ownsNetwork) await this.network[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function isPublished(
  spec: ServiceSpec,
  reports: readonly ServiceReport[],
  selected: readonly EndpointSpec[] | undefined,
): boolean {
  const families = familiesOf(spec);
  if (reports.length !== families.length * spec.ports.length) return false;
  return reports.every((report) => {
    const port = spec.ports.find(({ name }) => name === report.portName);
    return port !== undefined && matches(report, spec, port, selected);
  });
}

function matches(
  report: ServiceReport,
  spec: ServiceSpec,
  port: PortSpec,
  selected: readonly EndpointSpec[] | undefined,
): boolean {
  const key = report.family === "IPv4" ? "ip4" : "ip6";
  const wanted = (selected ?? port.endpoints ?? spec.endpoints).map(({ pod }) => pod[key]);
  const slice = spec.internalTrafficPolicy === "Local" ? report.local : report.cluster;
  return (
    report.affinityTimeoutSeconds === (spec.affinitySeconds ?? 0) &&
    isSame(report.frontends.map(textOf), frontendsOf(spec, port, report.family).map(textOf)) &&
    slice.every((each) => each.port === port.targetPort) &&
    isSame(
      slice.map(({ address }) => address),
      wanted,
    )
  );
}

function frontendsOf(spec: ServiceSpec, { port, nodePort }: PortSpec, family: "IPv4" | "IPv6") {
  const { ip4, ip6, externalIPs = [], loadBalancerIPs = [] } = spec;
  const v6 = family === "IPv6";
  const clusterIP = v6 ? ip6 : ip4;
  const addresses = [clusterIP ?? [], externalIPs, loadBalancerIPs].flat();
  const own = addresses.filter((address) => address.includes(":") === v6);
  const any = { address: v6 ? "::" : "0.0.0.0", port: nodePort ?? 0 };
  return [...own.map((address) => ({ address, port })), ...(nodePort === undefined ? [] : [any])];
}

const textOf = ({ address, port }: { readonly address: string; readonly port: number }): string =>
  `${address} ${port}`;

const isSame = (these: readonly string[], those: readonly string[]): boolean =>
  these.toSorted().join() === those.toSorted().join();
