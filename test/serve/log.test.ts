import { afterEach, describe, expect, it, vi } from "vitest";
import { createLog, type LogOptions } from "../../agent/log.ts";

const capture = (options: Partial<LogOptions> & { isTTY?: boolean } = {}) => {
  const lines: string[] = [];
  const output = { isTTY: options.isTTY ?? false, write: (text: string) => lines.push(text) };
  const log = createLog({ level: "debug", format: "auto", output, ...options });
  return { log, lines, last: () => lines.at(-1) ?? "" };
};

class DatapathError extends Error {
  readonly operation = "attach";
  readonly code = "EPERM";
  readonly target = "/sys/fs/cgroup";
}

const failure = () =>
  new Error("cannot start", {
    cause: new DatapathError("attach failed", { cause: new Error("no capability") }),
  });

describe("form", () => {
  afterEach(() => vi.unstubAllEnvs());

  it("writes one JSON object a line where the output is no terminal", () => {
    const { log, last } = capture();
    log.info("published", { services: 3, nested: { list: [1n, new Date(0)] } });
    expect(last().endsWith("\n")).toBe(true);
    expect(JSON.parse(last())).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      level: "info",
      message: "published",
      services: 3,
      nested: { list: ["1", "1970-01-01T00:00:00.000Z"] },
    });
  });

  it.each([undefined, ""])("writes text with colour on a terminal, NO_COLOR being %o", (value) => {
    vi.stubEnv("NO_COLOR", value);
    const { log, last } = capture({ isTTY: true });
    log.warn("list failed", { resource: "services" });
    expect(last()).toContain("\u001b[33mWARN \u001b[39m list failed");
    expect(last()).toContain("resource=\u001b[22mservices");
  });

  it("writes text without colour on a terminal where NO_COLOR is set", () => {
    vi.stubEnv("NO_COLOR", "1");
    const { log, last } = capture({ isTTY: true });
    log.warn("list failed", { resource: "services" });
    expect(last()).toMatch(/^[\d:.]{12} WARN {2}list failed {2}resource=services\n$/);
  });

  it("writes text without colour elsewhere, when text is asked for", () => {
    const { log, last } = capture({ format: "text" });
    log.info("list done", { resource: "services", note: "two words" });
    expect(last()).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} INFO {2}list done {2}resource=services note="two words"\n$/,
    );
  });

  it("keeps a message on one line", () => {
    const { log, last } = capture({ format: "text" });
    log.info("first\nsecond", { text: "a\nb" });
    expect(last().trimEnd().split("\n")).toHaveLength(1);
  });

  it("leaves out what is below its level", () => {
    const { log, lines } = capture({ level: "warn" });
    log.info("hidden");
    log.debug("hidden");
    log.warn("shown");
    log.error("shown");
    expect(lines).toHaveLength(2);
  });

  it("adds a child's fixed fields to each of its messages, and nobody else's", () => {
    const { log, lines } = capture();
    const child = log.child({ source: "kubernetes" }).child({ resource: "nodes" });
    child.info("one", { n: 1 });
    log.info("two");
    expect(JSON.parse(lines[0]!)).toMatchObject({ source: "kubernetes", resource: "nodes", n: 1 });
    expect(JSON.parse(lines[1]!)).not.toHaveProperty("source");
  });

  it("does not let a field replace the message or the level", () => {
    const { log, last } = capture();
    log.info("real", { message: "false", level: "error" });
    expect(JSON.parse(last())).toMatchObject({ message: "real", level: "info" });
  });
});

describe("errors", () => {
  it("print operation, code, target and the chain of causes as JSON", () => {
    const { log, last } = capture();
    log.error("agent stops", { error: failure() });
    expect(JSON.parse(last()).error).toEqual({
      message: "cannot start",
      cause: {
        message: "attach failed",
        operation: "attach",
        code: "EPERM",
        target: "/sys/fs/cgroup",
        cause: { message: "no capability" },
      },
    });
  });

  it("print the same as text", () => {
    const { log, last } = capture({ format: "text" });
    log.error("agent stops", { error: failure() });
    expect(last()).toContain(
      'error="cannot start: attach failed (operation=attach code=EPERM target=/sys/fs/cgroup): no capability"',
    );
  });

  it("survive a getter that throws", () => {
    const { log, last } = capture();
    const odd = Object.defineProperty({}, "x", {
      enumerable: true,
      get: () => {
        throw new Error("no");
      },
    });
    log.error("odd", { odd, fine: 1 });
    expect(JSON.parse(last())).toMatchObject({ odd: "[unreadable]", fine: 1 });
  });

  it("survive cycles and values that JSON has no word for", () => {
    const { log, last } = capture();
    const loop: Record<string, unknown> = { bytes: Buffer.from("secret"), call: () => {} };
    loop.self = loop;
    log.error("odd", { loop, map: new Map([["a", new Set([1])]]) });
    expect(JSON.parse(last())).toMatchObject({
      loop: { bytes: "[6 bytes]", self: "[cycle]" },
      map: { a: [1] },
    });
  });
});

describe("secrets", () => {
  const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzbHVpY2UifQ.c2lnbmF0dXJl";
  const pem = "-----BEGIN RSA PRIVATE KEY-----\nTUlJRXBBSUJB\n-----END RSA PRIVATE KEY-----";
  const keyData = Buffer.from(pem).toString("base64");
  const words = ["hunter2", "TUlJRXBBSUJB", "c2lnbmF0dXJl", keyData.slice(14, 40), "c2VjcmV0"];

  const fields = {
    token: "hunter2",
    bearerToken: "hunter2",
    password: "hunter2",
    headers: { Authorization: "Bearer hunter2", "X-Api-Key": "hunter2" },
    user: { name: "admin", "client-key-data": keyData, clientKey: pem, keyData },
    deep: [{ list: [{ secret: { nested: "hunter2" } }] }],
    text: `Authorization: Bearer ${jwt}`,
    basic: "authorization=Basic c2VjcmV0OnNlY3JldA==",
    url: "https://admin:hunter2@10.0.0.1:6443/api?access_token=hunter2&limit=5",
    json: '{"kind":"Config","token":"hunter2","server":"https://10.0.0.1"}',
    yaml: `users:\n- client-key-data: ${keyData}\n  password: hunter2\n`,
    escaped: String.raw`body {\"password\":\"hunter2\",\"a\":1}`,
    command: "exec login --bearer-token hunter2 --verbose",
    cutOff: `${"x".repeat(4080)} token="hunter2 hunter2"`,
    loose: `got ${jwt} and ${pem}`,
    error: new Error("login with password=hunter2 failed", {
      cause: Object.assign(new Error(`sent Bearer hunter2 ${keyData}`), {
        config: { headers: { authorization: "hunter2" } },
        target: "https://u:hunter2@10.0.0.1/",
      }),
    }),
    aggregate: new AggregateError([new Error("token: hunter2")], "all failed"),
    map: new Map([["password", "hunter2"]]),
  };

  it.each(["json", "text"] as const)("never reach the output as %s", (format) => {
    const { log, last } = capture({ format });
    log.child(fields).error(`refused Bearer hunter2; token=hunter2 ${pem}`, fields);
    expect(last()).toContain("[redacted]");
    for (const word of words) expect(last()).not.toContain(word);
  });

  it("stay out of long texts that would take long to search", () => {
    const { log, last } = capture();
    const text = "a.b-".repeat(250_000);
    const start = performance.now();
    log.info("x", { text });
    expect(performance.now() - start).toBeLessThan(1000);
    expect(JSON.parse(last()).text).toMatch(/ \[995904 more\]$/);
  });

  it("leave what surrounds them readable", () => {
    const { log, last } = capture();
    log.error("x", { ...fields, tokenFile: "/var/run/token", serviceName: "secret-store" });
    expect(JSON.parse(last())).toMatchObject({
      user: { name: "admin", "client-key-data": "[redacted]" },
      url: "https://[redacted]@10.0.0.1:6443/api?access_token=[redacted]&limit=5",
      escaped: String.raw`body {\"password\":[redacted],\"a\":1}`,
      command: "exec login --bearer-token [redacted] --verbose",
      json: '{"kind":"Config","token":[redacted],"server":"https://10.0.0.1"}',
      error: { message: "login with password=[redacted] failed" },
      tokenFile: "/var/run/token",
      serviceName: "secret-store",
    });
  });
});
