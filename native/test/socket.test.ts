import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { attachCgroup, attachIter, readIterator } from "libbpf-ts";
import { expect, it, onTestFinished } from "vitest";
import { load } from "./support/object.ts";
import { askInCgroup, cgroup } from "./support/place.ts";

async function serve(answer: string): Promise<number> {
  const server = createServer((socket) => socket.on("error", () => {}).end(answer));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

it("a cgroup link rewrites a real connect(), until another program takes its place", async () => {
  const port = await serve("from the backend");
  const object = load((opened) => {
    opened.setGlobal("from_address", Buffer.from([198, 51, 100, 7]));
    opened.setGlobal("to_port", port);
  });
  const group = cgroup();
  const link = attachCgroup(object.program("redirect"), group, "cgroup_inet4_connect");
  onTestFinished(() => link.close());
  expect(await askInCgroup(group, "198.51.100.7", 80)).toBe("from the backend");
  link.update(object.program("refuse_all"));
  await expect(askInCgroup(group, "198.51.100.7", 80)).rejects.toThrow("Operation not permitted");
});

it("an iterator over socket storage gives what the program wrote, for sockets that are open", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const object = load((opened) => {
    opened.setGlobal("from_address", Buffer.from([198, 51, 100, 7]));
    opened.setGlobal("to_port", port);
  });
  const group = cgroup();
  const link = attachCgroup(object.program("redirect"), group, "cgroup_inet4_connect");
  const iterator = attachIter(object.program("list_sockets"), { map: object.map("sockets") });
  onTestFinished(() => {
    link.close();
    iterator.close();
  });
  expect(readIterator(iterator)).toHaveLength(0);
  const answer = askInCgroup(group, "198.51.100.7", 80);
  const [peer] = await once(server, "connection");
  expect([...readIterator(iterator)]).toEqual([198, 51, 100, 7, 0, 0, 0, 0]);
  peer.end("bye");
  expect(await answer).toBe("bye");
  server.close();
});
