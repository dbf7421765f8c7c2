import { createSocket } from "node:dgram";
import { once } from "node:events";
import { get } from "node:http";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

/**
 * A load balancer with its clients: `node balanced_client.ts HEALTH-PORT PORT ADDRESS...` asks each
 * node's healthCheckNodePort and sends requests, over TCP and UDP, to those that answer 200. One
 * JSON line each: {"protocol","node","backend"} or {"protocol","node","error"}. Until it is killed.
 */
const [healthPort, port, ...nodes] = process.argv.slice(2);
const healthy = new Set<string>();

const probeMs = 200;
const gapMs = 3;
const timeoutMs = 2_000;

async function probe(node: string): Promise<void> {
  for (;;) {
    if ((await statusOf(node)) === 200) healthy.add(node);
    else healthy.delete(node);
    await pause(probeMs);
  }
}

function statusOf(host: string): Promise<number> {
  return new Promise((resolve) => {
    const options = { host, port: Number(healthPort), agent: false, timeout: timeoutMs };
    const request = get(options, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on("timeout", () => request.destroy(new Error("timeout")));
    request.on("error", () => resolve(0));
  });
}

/** The name that the pod greets with. */
async function askByTcp(node: string): Promise<string> {
  const socket = connect({ host: node, port: Number(port) });
  try {
    const [greeting] = await once(socket, "data", { signal: AbortSignal.timeout(timeoutMs) });
    return String(greeting).split(" ")[0] ?? "";
  } finally {
    socket.destroy();
  }
}

async function askByUdp(node: string): Promise<string> {
  const socket = createSocket(node.includes(":") ? "udp6" : "udp4");
  try {
    socket.connect(Number(port), node);
    await once(socket, "connect");
    socket.send("hello");
    const [answer] = await once(socket, "message", { signal: AbortSignal.timeout(timeoutMs) });
    return String(answer).split(" ")[0] ?? "";
  } finally {
    socket.close();
  }
}

async function balance(
  protocol: string,
  ask: (node: string) => Promise<string>,
  turn = 0,
): Promise<never> {
  for (;;) {
    const choice = [...healthy];
    const node = choice[turn++ % choice.length];
    const outcome =
      node === undefined
        ? { error: "no node is healthy" }
        : await ask(node).then(
            (backend) => ({ backend }),
            (error: unknown) => ({ error: String(error) }),
          );
    console.log(JSON.stringify({ protocol, node, ...outcome }));
    await pause(gapMs);
  }
}

const probing = nodes.map(probe);
while (healthy.size < nodes.length) await pause(probeMs);
await Promise.all([...probing, balance("tcp", askByTcp), balance("udp", askByUdp, 1)]);
