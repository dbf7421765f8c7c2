import { ownPrefix } from "../../harness/leftovers.ts";
import { deleteNetns, ip, makeNetns, netnsPath, netSettings } from "../../harness/netns.ts";
import { devices, routes, type WorldDevice, type WorldRoute } from "../world.ts";

let made = 0;

/** The world's devices, addresses, routes and neighbours in a network namespace of their own. */
export class PacketNamespace implements AsyncDisposable {
  readonly #name: string;

  private constructor(name: string) {
    this.#name = name;
  }

  /** Needs root. */
  static async create(): Promise<PacketNamespace> {
    if (process.getuid?.() !== 0) throw new Error("packet tests need root");
    const name = `${ownPrefix}packets${made++}`;
    await makeNetns(name);
    await netSettings(name, {
      "ipv4/ip_forward": 1,
      "ipv6/conf/all/forwarding": 1,
      "ipv6/conf/all/accept_ra": 0,
      "ipv6/conf/default/accept_ra": 0,
    });
    await ip([...devices.flatMap(deviceLines), ...routes.flatMap(routeLines)], name);
    return new PacketNamespace(name);
  }

  get path(): string {
    return netnsPath(this.#name);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return deleteNetns(this.#name);
  }
}

/** Each device is a veth whose other end nobody listens at. */
function deviceLines({ name, index, mac, mtu, addresses }: WorldDevice): readonly string[] {
  const peer = `${name}p`;
  return [
    `link add ${name} index ${index} address ${mac} mtu ${mtu} type veth peer name ${peer} mtu ${mtu}`,
    `link set ${name} addrgenmode none`,
    `link set ${peer} addrgenmode none`,
    `link set ${peer} up`,
    `link set ${name} up`,
    ...addresses.map((each) => `addr add ${each} dev ${name}${each.includes(":") ? " nodad" : ""}`),
  ];
}

function routeLines({ prefix, device, gateway, nextHopMac, kind }: WorldRoute): readonly string[] {
  if (device === undefined) return [`route add ${kind} ${prefix}`];
  const nextHop = gateway ?? prefix.replace(/\/.*/, "");
  return [
    `route add ${prefix} dev ${device}${gateway === undefined ? "" : ` via ${gateway}`}`,
    ...(nextHopMac === undefined
      ? []
      : [`neigh replace ${nextHop} lladdr ${nextHopMac} dev ${device} nud permanent`]),
  ];
}
