import { MESSAGE_FLAGS, openNetlink } from "libbpf-ts/netlink";
import { parseLink } from "./link.ts";
import { RTM } from "./tables.ts";

/** Names of the devices of this process's network namespace, by interface index. */
export async function readDeviceNames(): Promise<ReadonlyMap<number, string>> {
  using netlink = openNetlink("route");
  const messages = await netlink.request({
    type: RTM.getLink,
    flags: MESSAGE_FLAGS.dump,
    payload: new Uint8Array(16),
  });
  const links = messages.map(({ payload }) => parseLink(payload));
  return new Map(links.flatMap((link) => (link === undefined ? [] : [[link.index, link.name]])));
}
