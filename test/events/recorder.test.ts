import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AgentEvent, nodeObject, serviceObject } from "../../agent/events/event.ts";
import { KubernetesEventApi } from "../../agent/events/event_api.ts";
import { EventRecorder } from "../../agent/events/recorder.ts";
import { HttpTransport } from "../../agent/sources/kubernetes/transport.ts";
import { until } from "../harness/until.ts";
import { FakeEventApi } from "./api.ts";

let api: FakeEventApi;
let recorder: EventRecorder;
let warnings: string[];
let now: number;

beforeEach(async () => {
  api = await FakeEventApi.start();
  warnings = [];
  now = Date.parse("2026-01-02T03:04:05.678Z");
  recorder = new EventRecorder({
    api: new KubernetesEventApi(new HttpTransport({ server: api.url }), "node-a"),
    now: () => now,
    warn: (message) => warnings.push(message),
    retryMs: 1,
  });
});
afterEach(async () => {
  await recorder.close();
  await api[Symbol.asyncDispose]();
});

const event: AgentEvent = {
  regarding: serviceObject("shop", "web"),
  reason: "FailedToStartServiceHealthcheck",
  action: "Listen",
  note: "the port is taken",
};

const settled = (total: number) =>
  until(() => Object.values(recorder.counts).reduce((sum, count) => sum + count, 0) === total, {
    deadlineMs: 5_000,
    describe: () => `${total} events in ${JSON.stringify(recorder.counts)}`,
  });

const pass = (seconds: number) => {
  now += seconds * 1000;
};

describe("an event", () => {
  it("is made in the namespace of its object, as kube-proxy's are (KP-01)", async () => {
    recorder.record(event);
    await settled(1);
    expect(api.asked).toEqual([
      {
        method: "POST",
        path: "/apis/events.k8s.io/v1/namespaces/shop/events",
        type: "application/json",
        body: {
          apiVersion: "events.k8s.io/v1",
          kind: "Event",
          metadata: { name: "web.19b7ca98f2e.0", namespace: "shop" },
          eventTime: "2026-01-02T03:04:05.678000Z",
          reportingController: "sluice",
          reportingInstance: "sluice-node-a",
          action: "Listen",
          reason: "FailedToStartServiceHealthcheck",
          regarding: { apiVersion: "v1", kind: "Service", namespace: "shop", name: "web" },
          note: "the port is taken",
          type: "Warning",
        },
      },
    ]);
  });

  it("about a Node is made in the namespace default, with its name for an UID", async () => {
    recorder.record({ ...event, regarding: nodeObject("node-a") });
    await settled(1);
    expect(api.asked[0]).toMatchObject({
      path: "/apis/events.k8s.io/v1/namespaces/default/events",
      body: { regarding: { kind: "Node", namespace: "", name: "node-a", uid: "node-a" } },
    });
  });

  it("keeps to the lengths that the API server takes", async () => {
    recorder.record({
      ...event,
      note: "ä".repeat(2000),
      regarding: serviceObject("shop", "w".repeat(253)),
    });
    await settled(1);
    const { note, metadata } = api.asked[0]!.body as { note: string; metadata: { name: string } };
    expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024);
    expect(note).toMatch(/^ä{500,}\.\.\.$/);
    expect(metadata.name.length).toBeLessThanOrEqual(253);
  });
});

describe("what happens again", () => {
  it("is kept back for a minute, then counted at the event that there is", async () => {
    recorder.record(event);
    recorder.record(event);
    pass(61);
    recorder.record(event);
    await settled(3);
    expect(recorder.counts).toEqual({ sent: 2, suppressed: 1, failed: 0 });
    const [made, counted] = api.asked;
    const name = (made!.body.metadata as { name: string }).name;
    expect(counted).toEqual({
      method: "PATCH",
      path: `/apis/events.k8s.io/v1/namespaces/shop/events/${name}`,
      type: "application/merge-patch+json",
      body: { series: { count: 3, lastObservedTime: "2026-01-02T03:05:06.678000Z" } },
    });
  });

  it("is an event of its own after ten minutes, for another reason or of another object", async () => {
    recorder.record(event);
    recorder.record({ ...event, note: "another" });
    recorder.record({ ...event, reason: "Another" });
    recorder.record({ ...event, regarding: serviceObject("shop", "other") });
    pass(600);
    recorder.record(event);
    await settled(5);
    expect(api.asked.map(({ method }) => method)).toEqual(Array(5).fill("POST"));
  });

  it("is made anew where the event has gone meanwhile", async () => {
    recorder.record(event);
    await settled(1);
    pass(61);
    api.refusals.push({ code: 404, message: "not found" });
    recorder.record(event);
    await settled(2);
    pass(61);
    recorder.record(event);
    await settled(3);
    expect(api.asked.map(({ method }) => method)).toEqual(["POST", "PATCH", "POST"]);
  });
});

describe("a flood", () => {
  const numbered = (n: number, name = "web"): AgentEvent => ({
    ...event,
    regarding: serviceObject("shop", name),
    note: `${n}`,
  });

  it("about one object is cut to 25 and one each 5 s", async () => {
    for (let n = 0; n < 40; n++) recorder.record(numbered(n));
    await settled(40);
    expect(recorder.counts).toEqual({ sent: 25, suppressed: 15, failed: 0 });
    pass(10);
    for (let n = 40; n < 45; n++) recorder.record(numbered(n));
    await settled(45);
    expect(recorder.counts).toEqual({ sent: 27, suppressed: 18, failed: 0 });
  });

  it("about many objects is cut to 100 and one each second", async () => {
    for (let n = 0; n < 500; n++) recorder.record(numbered(n, `web-${n}`));
    await settled(500);
    expect(recorder.counts).toEqual({ sent: 100, suppressed: 400, failed: 0 });
    pass(3);
    for (let n = 500; n < 510; n++) recorder.record(numbered(n, `web-${n}`));
    await settled(510);
    expect(recorder.counts).toEqual({ sent: 103, suppressed: 407, failed: 0 });
  });
});

describe("an API server", () => {
  it("that forbids events is warned of once, and asked again for the next (KP-01)", async () => {
    const refusal = { code: 403, message: "events is forbidden" };
    api.refusals.push(refusal, refusal);
    recorder.record(event);
    recorder.record({ ...event, reason: "Another" });
    recorder.record({ ...event, reason: "Third" });
    await settled(3);
    expect(recorder.counts).toEqual({ sent: 1, suppressed: 0, failed: 2 });
    expect(warnings).toEqual([
      expect.stringMatching(
        /^no event about Service shop\/web was made: cannot create events: events is forbidden; bind /,
      ),
    ]);
  });

  it("that is busy is asked again, a dozen times in all", async () => {
    api.refusals.push(...Array(12).fill({ code: 503, message: "wait" }));
    recorder.record(event);
    recorder.record({ ...event, reason: "Another" });
    await settled(2);
    expect(recorder.counts).toEqual({ sent: 1, suppressed: 0, failed: 1 });
    expect(api.asked.length).toBe(13);
    expect(warnings.length).toBe(1);
  });

  it("that is away keeps nobody waiting, neither who records nor who closes", async () => {
    await api[Symbol.asyncDispose]();
    recorder.record(event);
    await until(() => warnings.length > 0, { deadlineMs: 5_000, describe: "a warning" });
    expect(warnings[0]).toContain("ECONNREFUSED");
    await recorder.close();
    expect(recorder.counts.sent).toBe(0);
    api = await FakeEventApi.start();
  });
});
