import { rcuGracePeriod } from "libbpf-ts";
import { Attributes, MESSAGE_FLAGS, openNetlink } from "libbpf-ts/netlink";

export async function gracePeriod() {
  await rcuGracePeriod();
  return "ended";
}

const RTM_GETLINK = 18;
const IFLA_IFNAME = 3;
/** Of struct ifinfomsg. */
const HEADER_SIZE = 16;

/** The names of the network devices, by rtnetlink. */
export async function interfaces() {
  using route = openNetlink("route");
  const payload = new Uint8Array(HEADER_SIZE);
  const links = await route.request({ type: RTM_GETLINK, flags: MESSAGE_FLAGS.dump, payload });
  return links.map((link) =>
    new Attributes(link.payload.subarray(HEADER_SIZE)).string(IFLA_IFNAME),
  );
}
