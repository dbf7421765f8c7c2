import { createSocket } from "node:dgram";
import { once } from "node:events";
import {
  attachTcNetlink,
  attachTcx,
  BpfError,
  findTcNetlink,
  type Link,
  type LoadedObject,
  possibleCpus,
} from "libbpf-ts";
import { numbers, open, u32 } from "./object.ts";

const LOOPBACK = 1;

/** A filter in the clsact qdisc: packets before it, under it, under its successor and after. */
export async function tcByNetlink() {
  using loaded = open("everything").load();
  const place = { ifindex: LOOPBACK, direction: "ingress", priority: 1, handle: 1 } as const;
  const link = attachTcNetlink(loaded.program("observe"), place);
  const found = findTcNetlink(place)?.info.programId === loaded.program("observe").info.id;
  return { kind: link.info.kind, found, ...(await countsUnder(link, loaded)) };
}

/** The same by a TCX link, or the code of the error where the kernel has none. */
export async function tcx() {
  using loaded = open("everything").load();
  try {
    const link = attachTcx(loaded.program("observe"), LOOPBACK, "ingress");
    return { kind: link.info.kind, ...(await countsUnder(link, loaded)) };
  } catch (error) {
    if (error instanceof BpfError) return { code: error.code };
    throw error;
  }
}

async function countsUnder(link: Link, loaded: LoadedObject) {
  const observed = await packetsSeen(loaded);
  link.update(loaded.program("pass"));
  const updated = await packetsSeen(loaded);
  link.update(loaded.program("observe"));
  link.detach();
  return { observed, updated, detached: await packetsSeen(loaded) };
}

/** Of three datagrams over the loopback device: how many the program counted. */
async function packetsSeen(loaded: LoadedObject): Promise<number> {
  const before = counted(loaded);
  const [server, client] = [createSocket("udp4"), createSocket("udp4")];
  server.bind(0, "127.0.0.1");
  await once(server, "listening");
  for (let n = 0; n < 3; n++) {
    const arrived = once(server, "message", { signal: AbortSignal.timeout(5_000) });
    client.send("hello", server.address().port, "127.0.0.1");
    await arrived;
  }
  server.close();
  client.close();
  return counted(loaded) - before;
}

function counted(loaded: LoadedObject): number {
  const value = loaded.map("counters").lookup(u32(0)) ?? new Uint8Array(8 * possibleCpus());
  const perCpu = numbers(value).filter((_, i) => i % 2 === 0);
  return perCpu.reduce((sum, count) => sum + count, 0);
}
