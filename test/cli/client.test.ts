import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { fetchDebug } from "../../agent/cli/client.ts";
import { isAgentDown } from "../../agent/cli/error.ts";
import { serveDebug } from "../../agent/serve/debug.ts";
import { status, view } from "../serve/fixture.ts";
import { run } from "./fixture.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-client-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

it("asks a running agent over its socket", async () => {
  const path = join(folder, "agent.sock");
  const server = await serveDebug(path, view());
  try {
    expect(await fetchDebug(path, "/v1/status")).toEqual({ status: 200, body: status });
    expect(await fetchDebug(path, "/v1/none")).toMatchObject({ status: 404 });
    const { code, out } = await run(`service get shop/web --socket-path ${path}`, { fetchDebug });
    expect([code, out.split("\n")[0]]).toEqual([0, "Service:        shop/web"]);
  } finally {
    await server.close();
  }
});

it("knows a dead agent by its missing socket", async () => {
  const path = join(folder, "none.sock");
  const error = await fetchDebug(path, "/v1/status").catch((error) => error);
  expect(isAgentDown(error)).toBe(true);
  expect(error.message).toBe(`no agent answers on ${path}`);
});

it("does not wait for ever for an agent that hangs, nor take it for dead", async () => {
  const path = join(folder, "mute.sock");
  const mute = createServer(() => {}).listen(path);
  await once(mute, "listening");
  const sockets: { destroy(): void }[] = [];
  mute.on("connection", (socket) => sockets.push(socket));
  const error = await fetchDebug(path, "/v1/status", 50).catch((error) => error);
  expect([error.code, isAgentDown(error)]).toEqual(["silent", false]);
  for (const socket of sockets) socket.destroy();
  mute.close();
});
