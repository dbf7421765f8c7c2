import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type DebugServer, isAgentRunning, serveDebug } from "../../agent/serve/debug.ts";
import { status, view, web4, web6 } from "./fixture.ts";

let folder = "";
let open: DebugServer[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-debug-"));
});
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
  open = [];
  rmSync(folder, { recursive: true });
});

const serve = async (path: string) => {
  const server = await serveDebug(path, view());
  open.push(server);
  return server;
};

const get = async (socketPath: string, path: string) => {
  const [response] = await once(request({ socketPath, path }).end(), "response");
  return { status: response.statusCode, body: JSON.parse(await text(response)) };
};

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "served",
    (error) => [error.code, error.message],
  );

it("serves the status, the services and one service as JSON", async () => {
  const path = join(folder, "run", "agent.sock");
  await serve(path);
  expect(await get(path, "/v1/status")).toEqual({ status: 200, body: status });
  expect((await get(path, "/v1/services")).body.map((it: { index: number }) => it.index)).toEqual([
    1, 7, 8,
  ]);
  expect(await get(path, "/v1/services/shop/web")).toEqual({ status: 200, body: [web4, web6] });
});

it("answers 404 with the reason for an unknown service or path", async () => {
  const path = join(folder, "agent.sock");
  await serve(path);
  expect(await get(path, "/v1/services/shop/none")).toEqual({
    status: 404,
    body: { error: "there is no Service shop/none" },
  });
  expect(await get(path, "/v2")).toEqual({
    status: 404,
    body: { error: "there is nothing at /v2" },
  });
});

it("lets nobody but its own user in", async () => {
  const path = join(folder, "run", "agent.sock");
  await serve(path);
  expect((statSync(path).mode & 0o777).toString(8)).toBe("600");
  expect((statSync(join(folder, "run")).mode & 0o777).toString(8)).toBe("700");
});

it("replaces the socket file that a killed agent left behind", async () => {
  const path = join(folder, "agent.sock");
  const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => console.log("up"))`;
  const agent = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  await once(agent.stdout, "data");
  agent.kill("SIGKILL");
  await once(agent, "exit");
  expect(statSync(path).isSocket()).toBe(true);
  await serve(path);
  expect((await get(path, "/v1/status")).status).toBe(200);
});

it("refuses the socket on which another agent answers, and leaves that one working", async () => {
  const path = join(folder, "agent.sock");
  await serve(path);
  const second = serveDebug(path, view());
  expect(await codeOf(second)).toEqual([
    "agent-running",
    `${path}: another agent answers here; stop it, or give this one a --socket-path and a --pin-path of its own`,
  ]);
  expect(await second.catch(isAgentRunning)).toBe(true);
  expect((await get(path, "/v1/status")).status).toBe(200);
});

it("does not remove a file that is no socket", async () => {
  const path = join(folder, "agent.sock");
  writeFileSync(path, "precious");
  expect(await codeOf(serveDebug(path, view()))).toEqual([
    "not-a-socket",
    `${path}: is no socket; remove it or set --socket-path`,
  ]);
  expect(statSync(path).size).toBe(8);
});

it("says what to do where the folder cannot be made", async () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  const path = join(file, "run", "agent.sock");
  expect(await codeOf(serveDebug(path, view()))).toEqual([
    "unusable",
    `${path}: cannot be made ready; run as root or set --socket-path`,
  ]);
});

it("takes its socket file with it", async () => {
  const path = join(folder, "agent.sock");
  const server = await serveDebug(path, view());
  await server.close();
  expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  const free = createServer().listen(path);
  await once(free, "listening");
  free.close();
});
