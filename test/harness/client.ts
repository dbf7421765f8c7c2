import { join } from "node:path";
import { cgroupRoot, makeCgroup } from "./cgroup.ts";
import type { Child, Finished } from "./child.ts";
import { addresses, ip, makeNetns, netSettings } from "./netns.ts";
import { type ProcessOptions, runIn, startIn } from "./place.ts";

/** Prefixes of a client's two links: /24 without the last octet, and /64 without the "::". */
export interface ClientPlace {
  readonly prefix4: string;
  readonly prefix6: string;
  /** Between its router and the network. */
  readonly uplink4: string;
  readonly uplink6: string;
}

/** A machine outside the cluster, behind a router of its own. */
export class TestClient {
  readonly name: string;
  /** Name of the network namespace. */
  readonly netns: string;
  /** Below no node's: programs of agents see nothing of it. */
  readonly cgroup: string;
  readonly ip4: string;
  readonly ip6: string;

  private constructor(name: string, netns: string, cgroup: string, place: ClientPlace) {
    this.name = name;
    this.netns = netns;
    this.cgroup = cgroup;
    this.ip4 = `${place.prefix4}.2`;
    this.ip6 = `${place.prefix6}::2`;
  }

  /** `mtu` is that of the link between its router and the fabric. */
  static async create(
    name: string,
    id: string,
    place: ClientPlace,
    fabric: string,
    mtu: number | undefined,
  ): Promise<TestClient> {
    const client = new TestClient(name, id, await makeCgroup(join(await cgroupRoot(), id)), place);
    await makeNetns(id);
    await makeRouter(`${id}-router`, place, fabric, mtu);
    await ip(
      [
        `link add eth0 type veth peer name lan netns ${id}-router`,
        ...addresses("eth0", `${client.ip4}/24`, `${client.ip6}/64`),
        `route add default via ${place.prefix4}.1`,
        `route add ::/0 via ${place.prefix6}::1`,
      ],
      id,
    );
    await ip(addresses("lan", `${place.prefix4}.1/24`, `${place.prefix6}::1/64`), `${id}-router`);
    return client;
  }

  start(command: string, args: readonly string[], options: ProcessOptions = {}): Child {
    return startIn(this, command, args, options);
  }

  /** Runs a process to its end, whatever the exit code. */
  run(command: string, args: readonly string[], options: ProcessOptions = {}): Promise<Finished> {
    return runIn(this, command, args, options);
  }
}

async function makeRouter(
  router: string,
  place: ClientPlace,
  fabric: string,
  mtu: number | undefined,
): Promise<void> {
  await makeNetns(router);
  await netSettings(router, { "ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1 });
  const port = `c${place.prefix4.split(".")[2]}`;
  const limit = (device: string) => (mtu === undefined ? [] : [`link set ${device} mtu ${mtu}`]);
  await ip(
    [
      `link add ${port} type veth peer name wan netns ${router}`,
      ...limit(port),
      ...addresses(port, `${place.uplink4}.1/24`, `${place.uplink6}::1/64`),
      `route add ${place.prefix4}.0/24 via ${place.uplink4}.2`,
      `route add ${place.prefix6}::/64 via ${place.uplink6}::2`,
    ],
    fabric,
  );
  await ip(
    [
      ...limit("wan"),
      ...addresses("wan", `${place.uplink4}.2/24`, `${place.uplink6}::2/64`),
      `route add default via ${place.uplink4}.1`,
      `route add ::/0 via ${place.uplink6}::1`,
    ],
    router,
  );
}
