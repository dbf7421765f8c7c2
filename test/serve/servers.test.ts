import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { resolveConfig } from "../../agent/config/resolve.ts";
import { createLog, silentLog } from "../../agent/log.ts";
import type { ReadinessCheck } from "../../agent/serve/dump.ts";
import type { HealthState } from "../../agent/serve/health.ts";
import { serveHealth } from "../../agent/serve/health_server.ts";
import { closeServer, type Listener } from "../../agent/serve/listener.ts";
import { createMetrics } from "../../agent/serve/metrics.ts";
import { serveMetrics } from "../../agent/serve/metrics_server.ts";
import { view } from "./fixture.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const now = Date.parse("2026-01-02T03:10:00.000Z");
const address = { host: "127.0.0.1", port: 0 };
const urlOf = async (listener: Listener) => {
  closing.push(listener.close);
  return `http://127.0.0.1:${(await listener.bound).port}`;
};

describe("health server", () => {
  const serve = async (
    state: HealthState,
    readiness: () => readonly ReadinessCheck[] = () => [],
  ) => {
    const answers: string[] = [];
    const answered = (probe: string, status: number) => answers.push(`${probe} ${status}`);
    const url = await urlOf(
      serveHealth({
        address,
        state: () => state,
        readiness,
        now: () => now,
        answered,
        log: silentLog,
      }),
    );
    return { url, answers };
  };

  it("answers 200 with kube-proxy's JSON while it keeps up (KP-41)", async () => {
    const progress = { lastPublishedAt: now - 5000, oldestQueuedAt: undefined };
    const { url, answers } = await serve({ node: "eligible", families: { IPv4: progress } });
    const response = await fetch(`${url}/healthz`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await response.json()).toEqual({
      lastUpdated: "2026-01-02T03:10:00.000Z",
      currentTime: "2026-01-02T03:10:00.000Z",
      nodeEligible: true,
      healthy: true,
      status: { IPv4: { lastUpdated: "2026-01-02T03:09:55.000Z", healthy: true } },
    });
    expect(answers).toEqual(["healthz 200"]);
  });

  it("keeps /livez at 200 while a leaving Node makes /healthz 503 (KP-41)", async () => {
    const { url, answers } = await serve({ node: "leaving", families: {} });
    const healthz = await fetch(`${url}/healthz`);
    expect(healthz.status).toBe(503);
    expect(await healthz.json()).toMatchObject({ nodeEligible: false, healthy: true });
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    expect(answers).toEqual(["healthz 503", "livez 200"]);
  });

  it("answers /readyz with each check, 503 where one fails, and leaves the others alone (KP-41)", async () => {
    const listed = { name: "listed", healthy: true, reason: null } as const;
    let current: ReadinessCheck = { name: "confirmed", healthy: true, reason: null };
    const { url, answers } = await serve({ node: "eligible", families: {} }, () => [
      listed,
      current,
    ]);
    const ready = await fetch(`${url}/readyz`);
    expect(ready.status).toBe(200);
    expect(ready.headers.get("content-type")).toBe("application/json");
    expect(await ready.json()).toEqual({ ready: true, checks: [listed, current] });
    current = { name: "confirmed", healthy: false, reason: "services for 9 s" };
    const failing = await fetch(`${url}/readyz`);
    expect([failing.status, await failing.json()]).toEqual([
      503,
      { ready: false, checks: [listed, current] },
    ]);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    expect(answers).toEqual(["healthz 200", "livez 200"]);
  });

  it("answers 404 elsewhere, 405 to a POST, and counts neither", async () => {
    const { url, answers } = await serve({ node: "eligible", families: {} });
    expect((await fetch(`${url}/metrics`)).status).toBe(404);
    expect((await fetch(`${url}/healthz`, { method: "POST" })).status).toBe(405);
    expect(answers).toEqual([]);
  });

  it("waits for a taken address, warns once, and serves when it is free (PF-41)", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const lines: string[] = [];
    const tried = Promise.withResolvers<void>();
    const write = (text: string) => {
      const { level, message } = JSON.parse(text);
      lines.push(`${level} ${message}`);
      if (lines.length === 3) tried.resolve();
    };
    const listener = serveHealth({
      address: { host: "127.0.0.1", port },
      state: () => ({ node: "eligible", families: {} }),
      readiness: () => [],
      now: () => now,
      answered: () => {},
      log: createLog({ level: "debug", format: "json", output: { write } }),
      retryMs: 10,
    });
    await tried.promise;
    await closeServer(other);
    const url = await urlOf(listener);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    expect(lines.slice(0, 3)).toEqual([
      "warn health cannot be served yet; retrying",
      "debug health cannot be served yet; retrying",
      "debug health cannot be served yet; retrying",
    ]);
    expect(lines.at(-1)).toBe("info health is served now");
  });
});

describe("metrics server", () => {
  const serve = (config: object = {}) =>
    urlOf(serveMetrics({ address, metrics: createMetrics(view()), config, log: silentLog }));

  it("serves /metrics, and /healthz as plain text (KP-42)", async () => {
    const url = await serve();
    const metrics = await fetch(`${url}/metrics`);
    expect(metrics.status).toBe(200);
    expect(metrics.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(await metrics.text()).toContain("sluice_ready 1\n");
    const healthz = await fetch(`${url}/healthz`);
    expect(healthz.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect([healthz.status, await healthz.text()]).toEqual([200, "ok"]);
    expect((await fetch(`${url}/else`)).status).toBe(404);
    expect((await fetch(`${url}/healthz`, { method: "POST" })).status).toBe(405);
  });

  it("names itself at /proxyMode, where none of kube-proxy's modes would be true (KP-42)", async () => {
    const response = await fetch(`${await serve()}/proxyMode`);
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(await response.text()).toBe("sluice");
  });

  it("shows the settings that are in force at /configz, null for what is not set (KP-42)", async () => {
    const flags = { nodeName: "node-a", udpTimeout: "30s", nodeportAddresses: "10.0.0.0/8" };
    const url = await serve(resolveConfig({ flags, env: {}, readFile: () => "" }));
    const response = await fetch(`${url}/configz`);
    expect(response.headers.get("content-type")).toBe("application/json");
    const body = (await response.json()) as Record<string, unknown>;
    expect(Object.keys(body)).toEqual(["sluice.dev"]);
    expect(body["sluice.dev"]).toMatchObject({
      nodeName: "node-a",
      kubeconfig: null,
      metricsBindAddress: { host: "127.0.0.1", port: 10249 },
      nodeportAddresses: { primary: false, all: false },
      maxServices: 16384,
    });
  });

  it("shows no secret at /configz, neither by name nor by shape (KP-42)", async () => {
    const url = await serve({
      server: "https://admin:hunter2@10.0.0.1:6443",
      client: { bearerToken: "abc", tokenFile: "/var/run/token" },
      ranges: new Set(["10.0.0.0/8"]),
    });
    expect(await (await fetch(`${url}/configz`)).json()).toEqual({
      "sluice.dev": {
        server: "https://[redacted]@10.0.0.1:6443",
        client: { bearerToken: "[redacted]", tokenFile: "/var/run/token" },
        ranges: ["10.0.0.0/8"],
      },
    });
  });

  it("answers 500 with the reason where the metrics cannot be read, and goes on", async () => {
    const broken = () => {
      throw new Error("the maps are gone");
    };
    const metrics = createMetrics({ status: broken, traffic: () => [] });
    const url = await urlOf(serveMetrics({ address, metrics, config: {}, log: silentLog }));
    const response = await fetch(`${url}/metrics`);
    expect([response.status, await response.json()]).toEqual([500, { error: "the maps are gone" }]);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });
});
