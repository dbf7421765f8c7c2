import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { connect } from "node:net";
import { attachCgroup, attachIter, isNotFound, readIterator } from "libbpf-ts";
import { destroySocket, listSockets, openNetlink } from "libbpf-ts/netlink";
import { withBackend } from "./backend.ts";
import { loadFor, VIP } from "./object.ts";

/** What an iterator writes of a socket's storage, while the socket is open and before. */
export const iteratedSockets = () =>
  withBackend(async (port) => {
    using loaded = loadFor(port);
    using _link = attachCgroup(
      loaded.program("redirect"),
      "/sys/fs/cgroup",
      "cgroup_inet4_connect",
    );
    using iterator = attachIter(loaded.program("list_sockets"), { map: loaded.map("sockets") });
    const before = readIterator(iterator).length;
    const socket = connect(80, VIP);
    await once(socket, "connect");
    const open = [...readIterator(iterator)];
    socket.destroy();
    return { before, open };
  });

/** SOCK_DESTROY: the victim's error, a second try, and what a socket beside it is still like. */
export async function destroyedSocket() {
  const [victim, bystander] = [await connectedUdp(), await connectedUdp()];
  const failed = once(victim, "error", { signal: AbortSignal.timeout(10_000) });
  using netlink = openNetlink("sock_diag");
  const find = async ({ port }: { readonly port: number }) =>
    (await listSockets(netlink, "IPv4", "UDP")).find(({ sourcePort }) => sourcePort === port);
  const found = await find(victim.address());
  if (found === undefined) throw new Error("the socket is not listed");
  await destroySocket(netlink, found);
  const [error] = await failed;
  const again = await destroySocket(netlink, found).catch(isNotFound);
  const kept = (await find(bystander.address()))?.state;
  bystander.close();
  return { code: String(error.code), again, kept };
}

async function connectedUdp(): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.connect(9, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}
