import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DesiredHealthCheck } from "../../agent/compile/records.ts";
import {
  type HealthCheckProblem,
  HealthCheckServers,
  type HealthCheckServersOptions,
} from "../../agent/serve/health_check_servers.ts";
import { closeServer } from "../../agent/serve/listener.ts";
import { until } from "../harness/until.ts";

let servers: HealthCheckServers;
let healthy: boolean;
let problems: HealthCheckProblem[];
const held: Server[] = [];

function open(options: Partial<HealthCheckServersOptions> = {}): void {
  servers = new HealthCheckServers({
    addresses: ["127.0.0.1"],
    healthy: () => healthy,
    onProblem: (problem) => problems.push(problem),
    retryMs: 10,
    ...options,
  });
}

beforeEach(() => {
  healthy = true;
  problems = [];
});

afterEach(async () => {
  await servers.close();
  for (const server of held.splice(0)) await closeServer(server);
});

/** Takes a port, as another process would. */
async function hold(host: string, port = 0): Promise<{ server: Server; port: number }> {
  const server = createServer((_, response) => response.end("another's"));
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen({ port, host }, listening.resolve);
  await listening.promise;
  held.push(server);
  return { server, port: (server.address() as AddressInfo).port };
}

/** Below the ports that the kernel gives to others on its own account. */
let nextPort = 20_000 + ((process.pid * 97) % 10_000);

/** One that nobody has, at any address; another one each time. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = nextPort++;
    const taken = await hold("::", port).catch((error: NodeJS.ErrnoException) => error.code);
    if (taken === "EADDRINUSE") continue;
    if (typeof taken !== "object") throw new Error(`cannot listen: ${taken}`);
    held.splice(held.indexOf(taken.server), 1);
    await closeServer(taken.server);
    return port;
  }
}

const check = (port: number, given: Partial<DesiredHealthCheck> = {}): DesiredHealthCheck => ({
  namespace: "default",
  name: "web",
  port,
  localEndpoints: { IPv4: 1, IPv6: 1 },
  ...given,
});

async function probe(port: number, host = "127.0.0.1", path = "/") {
  const response = await fetch(`http://${host}:${port}${path}`);
  return { response, status: response.status, text: await response.text() };
}

const eventually = <T>(condition: () => Promise<T>, describe: string) =>
  until(condition, { deadlineMs: 10_000, describe });
const answering = (port: number, status: number, host?: string) =>
  eventually(async () => (await probe(port, host)).status === status, `${status} at ${port}`);
const refused = (port: number, host = "127.0.0.1") =>
  eventually(() => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const socket = connect(port, host);
    socket.once("connect", () => resolve(false));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
    return promise.finally(() => socket.destroy());
  }, `nobody at ${port}`);

describe("a healthCheckNodePort", () => {
  it.each(["/", "/healthz", "/any/path?at=all"])("answers at %s (KP-40)", async (path) => {
    open();
    const port = await freePort();
    servers.apply([check(port, { localEndpoints: { IPv4: 2 } })]);
    await answering(port, 200);
    const { response, status, text } = await probe(port, "127.0.0.1", path);
    expect(status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("x-load-balancing-endpoint-weight")).toBe("2");
    expect(response.headers.get("content-length")).toBe("114");
    expect(text).toBe(
      '{\n\t"service": {\n\t\t"namespace": "default",\n\t\t"name": "web"\n\t},\n' +
        '\t"localEndpoints": 2,\n\t"serviceProxyHealthy": true\n}',
    );
  });

  it("answers any method, and a HEAD without a body (KP-40)", async () => {
    open();
    const port = await freePort();
    servers.apply([check(port)]);
    await answering(port, 200);
    const url = `http://127.0.0.1:${port}/`;
    const head = await fetch(url, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    const post = await fetch(url, { method: "POST", body: "x".repeat(100_000) });
    expect([post.status, await post.json()]).toMatchObject([200, { localEndpoints: 1 }]);
  });

  it("follows the endpoints and the proxy's health on one connection (KP-40)", async () => {
    open();
    const port = await freePort();
    servers.apply([check(port)]);
    await answering(port, 200);
    servers.apply([check(port, { localEndpoints: { IPv4: 0 } })]);
    expect((await probe(port)).status).toBe(503);
    servers.apply([check(port, { localEndpoints: { IPv4: 3 } })]);
    expect((await probe(port)).status).toBe(200);
    healthy = false;
    const { status, text } = await probe(port);
    expect([status, JSON.parse(text).serviceProxyHealthy]).toEqual([503, false]);
  });

  it("is closed with its Service, and its connections are (KP-34, KP-40)", async () => {
    open();
    const [port, other] = [await freePort(), await freePort()];
    servers.apply([check(port), check(other, { name: "db" })]);
    await answering(port, 200);
    await answering(other, 200);
    const socket = connect(port, "127.0.0.1");
    const ended = new Promise((resolve) => socket.once("close", resolve));
    await new Promise((resolve) => socket.once("connect", resolve));
    servers.apply([check(other, { name: "db" })]);
    await ended;
    await refused(port);
    expect((await probe(other)).status).toBe(200);
    expect(problems).toEqual([]);
  });

  it("goes to another Service without a gap, and to another port (KP-34)", async () => {
    open();
    const [port, other] = [await freePort(), await freePort()];
    servers.apply([check(port)]);
    await answering(port, 200);
    servers.apply([check(port, { name: "db" })]);
    expect(JSON.parse((await probe(port)).text).service.name).toBe("db");
    servers.apply([check(other, { name: "db" })]);
    await answering(other, 200);
    await refused(port);
  });

  it("is served at every given address, and no other (KP-26, KP-40)", async () => {
    open({ addresses: ["127.0.0.1", "127.0.0.2", "::1"] });
    const port = await freePort();
    servers.apply([check(port)]);
    for (const host of ["127.0.0.1", "127.0.0.2", "[::1]"]) await answering(port, 200, host);
    await refused(port, "127.0.0.3");
  });

  it("is served at every address of both families where none is given (KP-40)", async () => {
    open({ addresses: [] });
    const port = await freePort();
    servers.apply([check(port)]);
    for (const host of ["127.0.0.1", "127.0.0.3", "[::1]"]) await answering(port, 200, host);
  });

  it.each<[string, readonly string[]]>([
    ["every one", []],
    ["its own", ["127.0.0.1", "::1"]],
  ])(
    "answers at an address for its family, where it has %s (KP-02, KP-40)",
    async (_, addresses) => {
      open({ addresses });
      const port = await freePort();
      servers.apply([check(port, { localEndpoints: { IPv4: 0, IPv6: 2 } })]);
      await answering(port, 503);
      await answering(port, 200, "[::1]");
      expect(JSON.parse((await probe(port)).text).localEndpoints).toBe(0);
      expect(JSON.parse((await probe(port, "[::1]")).text).localEndpoints).toBe(2);
      servers.apply([check(port, { localEndpoints: { IPv4: 3 } })]);
      expect((await probe(port)).status).toBe(200);
      await refused(port, "::1");
      servers.apply([check(port, { localEndpoints: { IPv6: 1 } })]);
      await answering(port, 200, "[::1]");
      await refused(port);
      expect(problems).toEqual([]);
    },
  );

  it("moves with the node's addresses (KP-26)", async () => {
    open({ addresses: [] });
    const port = await freePort();
    servers.apply([check(port)]);
    await answering(port, 200, "127.0.0.2");
    servers.moveTo(["127.0.0.1"]);
    await answering(port, 200);
    await refused(port, "127.0.0.2");
    servers.moveTo([]);
    await answering(port, 200, "127.0.0.2");
    expect(problems).toEqual([]);
  });

  it("serves nothing more once closed", async () => {
    open();
    const port = await freePort();
    servers.apply([check(port)]);
    await answering(port, 200);
    await servers.close();
    await refused(port);
    servers.apply([check(port)]);
    await refused(port);
  });
});

describe("a healthCheckNodePort that cannot be had", () => {
  it("is reported once, left to its owner, and served when it is free (KP-40)", async () => {
    open();
    const { server, port } = await hold("127.0.0.1");
    const free = await freePort();
    servers.apply([check(port), check(free, { name: "db" })]);
    await eventually(async () => problems.length > 0, "the problem");
    expect(problems).toEqual([
      {
        namespace: "default",
        name: "web",
        message:
          `healthCheckNodePort ${port} cannot be served at 127.0.0.1, so that load balancers take ` +
          "this node for unhealthy: another process has the port; " +
          `"ss -ltnp sport = :${port}" names it`,
      },
    ]);
    await answering(free, 200);
    expect((await probe(port)).text).toBe("another's");
    await closeServer(server);
    await answering(port, 200);
    expect(problems).toHaveLength(1);
  });

  it("is reported for the Service that it is given to as well, and not when it is gone", async () => {
    open();
    const { port } = await hold("127.0.0.1");
    servers.apply([check(port)]);
    await eventually(async () => problems.length === 1, "the first problem");
    servers.apply([check(port, { name: "db" })]);
    await eventually(async () => problems.length === 2, "the second problem");
    expect(problems.map(({ name }) => name)).toEqual(["web", "db"]);
    servers.apply([]);
    servers.apply([check(port)]);
    await eventually(async () => problems.length === 3, "the problem again");
  });

  it("is served at the addresses that are the node's, and reported at others", async () => {
    open({ addresses: ["192.0.2.77", "127.0.0.1"] });
    const port = await freePort();
    servers.apply([check(port)]);
    await answering(port, 200);
    await eventually(async () => problems.length > 0, "the problem");
    expect(problems.map(({ message }) => message)).toEqual([
      `healthCheckNodePort ${port} cannot be served at 192.0.2.77, so that load balancers take ` +
        "this node for unhealthy: the node does not have that address; correct nodePortAddresses",
    ]);
  });

  it("because another Service has it, is reported once for the second by name", async () => {
    open();
    const port = await freePort();
    const both = [
      check(port, { name: "web" }),
      check(port, { name: "db", localEndpoints: { IPv4: 0 } }),
    ];
    servers.apply(both);
    servers.apply(both.toReversed());
    await answering(port, 503);
    expect(problems).toEqual([
      {
        namespace: "default",
        name: "web",
        message: `healthCheckNodePort ${port} is that of default/db too; give each its own`,
      },
    ]);
    servers.apply([check(port)]);
    await answering(port, 200);
    servers.apply(both);
    expect(problems).toHaveLength(2);
  });
});
