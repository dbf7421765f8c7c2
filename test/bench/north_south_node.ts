import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cgroupRoot, makeCgroup } from "../harness/cgroup.ts";
import type { Child, Finished } from "../harness/child.ts";
import { ip, makeNetns, netSettings } from "../harness/netns.ts";
import { type ProcessOptions, runIn, startIn } from "../harness/place.ts";
import {
  apiPort,
  ECHO_PORT,
  nodePort,
  SERVICES,
  SINK_PORT,
  sinkNodePort,
} from "./north_south_objects.ts";

const PODS = 4;
/** The client and who answers it share a CPU: waking another one would cost more than the path. */
export const CLIENT_CPU = 0;
const ECHO_CPU = 0;
const SINK_CPU = 1;

/** What a side speaks to: files of the traffic program. */
export interface Targets {
  readonly one: string;
  /** A random one of all Services. */
  readonly any: string;
  readonly sink: string;
}

/**
 * A node between the client and a pod: three namespaces joined by two veth pairs. All nodes of the
 * benchmark have the same shape and one client.
 */
export class NorthSouthNode {
  readonly name: string;
  readonly netns: string;
  readonly cgroup: string;
  readonly ip4: string;
  /** Addresses of the pod, which stands for four of them. */
  readonly pods: readonly string[];
  /** Of the API server's kubeconfigs. */
  readonly folder: string;
  readonly #podNetns: string;
  readonly #podCgroup: string;

  private constructor(name: string, id: string, index: number, cgroup: string, folder: string) {
    this.name = name;
    this.netns = id;
    this.#podNetns = `${id}-pod`;
    this.cgroup = cgroup;
    this.#podCgroup = `${cgroup}-pod`;
    this.folder = folder;
    this.ip4 = `10.11.${index}.2`;
    this.pods = Array.from({ length: PODS }, (_, i) => `10.244.${index}.${i + 2}`);
  }

  /** `id` names what is made, in the client's namespace too. */
  static async create(
    name: string,
    id: string,
    index: number,
    client: string,
    folder: string,
  ): Promise<NorthSouthNode> {
    const cgroup = await makeCgroup(join(await cgroupRoot(), id));
    const node = new NorthSouthNode(name, id, index, cgroup, folder);
    await makeCgroup(node.#podCgroup);
    await makeNetns(node.netns);
    await makeNetns(node.#podNetns);
    await netSettings(node.netns, { "ipv4/ip_forward": 1 });
    await node.#joinClient(client, `10.11.${index}.1`, `node${index}`);
    await node.#joinPod(`10.244.${index}.1`);
    return node;
  }

  async #joinClient(client: string, address: string, device: string): Promise<void> {
    await ip([`link add ${device} type veth peer name eth0 netns ${this.netns}`], client);
    await ip([`addr add ${address}/24 dev ${device}`, `link set ${device} up`], client);
    await ip(
      [`addr add ${this.ip4}/24 dev eth0`, "link set eth0 up", `route add default via ${address}`],
      this.netns,
    );
    await ip(
      this.pods.map((pod) => `route add ${pod} via ${this.ip4}`),
      client,
    );
  }

  async #joinPod(gateway: string): Promise<void> {
    await ip(
      [
        `link add pod0 type veth peer name eth0 netns ${this.#podNetns}`,
        `addr add ${gateway}/32 dev pod0`,
        "link set pod0 up",
        ...this.pods.map((pod) => `route add ${pod} dev pod0`),
      ],
      this.netns,
    );
    await ip(
      [
        ...this.pods.map((pod) => `addr add ${pod}/32 dev eth0`),
        "link set eth0 up",
        `route add ${gateway} dev eth0`,
        `route add default via ${gateway}`,
      ],
      this.#podNetns,
    );
  }

  /** Starts what answers in the pod; outside of the agent's cgroup, as packets are all that is measured. */
  async serve(program: string): Promise<void> {
    const place = { netns: this.#podNetns, cgroup: this.#podCgroup };
    const servers = [
      startIn(place, program, ["echo", `${ECHO_CPU}`, "1", ...this.pods]),
      startIn(place, program, ["sink", `${SINK_CPU}`, ...this.pods]),
    ];
    for (const server of servers) await server.printed("ready");
  }

  /** Of the pod itself: what needs no translation. */
  podTargets(folder: string): Promise<Targets> {
    const at = (port: number) => this.pods.map((pod) => `${pod} ${port}`);
    return this.#write(folder, { one: at(ECHO_PORT), any: at(ECHO_PORT), sink: at(SINK_PORT) });
  }

  nodePortTargets(folder: string): Promise<Targets> {
    const at = (port: number) => `${this.ip4} ${port}`;
    const echoes = Array.from({ length: SERVICES - 1 }, (_, n) => at(nodePort(n)));
    return this.#write(folder, {
      one: [at(nodePort(SERVICES / 2))],
      any: echoes,
      sink: [at(sinkNodePort)],
    });
  }

  async #write(
    folder: string,
    lines: Readonly<Record<keyof Targets, readonly string[]>>,
  ): Promise<Targets> {
    const file = async (name: keyof Targets): Promise<string> => {
      const path = join(folder, `${this.name}-${name}`);
      await writeFile(path, lines[name].join("\n"));
      return path;
    };
    return { one: await file("one"), any: await file("any"), sink: await file("sink") };
  }

  /** The node's own API server, as a control plane would be made reachable in its network. */
  async exposeTo(): Promise<void> {
    const server = join(import.meta.dirname, "north_south_server.ts");
    const child = this.start(process.execPath, [server, this.name, this.ip4, ...this.pods]);
    await child.printed("ready");
  }

  async kubeconfigFor(user: string): Promise<string> {
    const path = join(this.folder, `${this.name}.kubeconfig`);
    await writeFile(path, kubeconfig(user));
    return path;
  }

  /** How many connections netfilter's conntrack holds here: it works only where something asks it to. */
  async conntrackEntries(): Promise<number> {
    const { stdout } = await this.run("cat", ["/proc/sys/net/netfilter/nf_conntrack_count"]);
    return Number(stdout);
  }

  start(command: string, args: readonly string[], options: ProcessOptions = {}): Child {
    return startIn(this, command, args, options);
  }

  run(command: string, args: readonly string[], options: ProcessOptions = {}): Promise<Finished> {
    return runIn(this, command, args, options);
  }
}

const kubeconfig = (user: string): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "bench",
    contexts: [{ name: "bench", context: { cluster: "bench", user } }],
    clusters: [{ name: "bench", cluster: { server: `http://127.0.0.1:${apiPort}` } }],
    users: [{ name: user, user: {} }],
  });
