import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Resource } from "../../agent/model/event.ts";
import { KubernetesSource } from "../../agent/sources/kubernetes/source.ts";
import { answer, FakeApiServer, type Handler } from "./apiserver.ts";
import { TestClock } from "./clock.ts";
import { Recorder, until } from "./recorder.ts";

const resources: readonly Resource[] = [
  "services",
  "endpointslices",
  "nodes",
  "servicecidrs",
  "foreignservices",
];

let clock: TestClock;
let server: FakeApiServer;
let source: KubernetesSource;
let seen: Recorder;
let reports: string[];

beforeEach(async () => {
  clock = new TestClock();
  server = new FakeApiServer();
  await server.listen();
  seen = new Recorder();
  reports = [];
  source = new KubernetesSource({
    server: server.url,
    nodeName: "n1",
    clock,
    random: () => 0,
    report: ({ message }) => reports.push(message),
  });
});
afterEach(async () => {
  await source.stop();
  await server.close();
});

const statusOf = (resource: Resource) =>
  source.status().resources.find((each) => each.resource === resource)!;

const confirmedAt = (resource: Resource) => statusOf(resource).confirmedAt?.getTime() ?? 0;

/** Resources that were confirmed since. */
const confirmedSince = (time: number) =>
  resources.filter((resource) => confirmedAt(resource) >= time);

const watches = (resource: Resource) => server.requestsOf(resource, "watch").length;

async function open(): Promise<void> {
  source.start(seen.sink);
  await until(() => resources.every((each) => server.watching(each)), "five watches");
  const begun = clock.now();
  clock.skip(1);
  server.bookmark();
  await until(() => confirmedSince(begun + 1).length === 5, "five bookmarks");
}

/** Lets silence last until the API server is asked, and waits for the question. */
async function ask(): Promise<void> {
  const { questions } = server;
  clock.beatAfter(3_000);
  await until(() => server.questions > questions, "a question");
}

/** The same, and waits for the answer. */
async function askAndHear(): Promise<number> {
  const before = clock.now();
  await ask();
  await until(() => confirmedSince(before + 3_000).length > 0, "an answer");
  return before + 3_000;
}

const service = (name: string) => ({
  metadata: { namespace: "default", name },
  spec: { clusterIP: "10.96.0.10", ports: [{ port: 80 }] },
});

describe("what is held is confirmed", () => {
  it("by a word of its own watch, if only a bookmark (PF-03, PF-11)", async () => {
    source.start(seen.sink);
    expect(confirmedAt("services")).toBe(0);
    await until(() => server.watching("services"), "a watch of Services");
    const listed = confirmedAt("services");
    expect(listed).toBeGreaterThan(0);
    clock.skip(60_000);
    expect(confirmedAt("services")).toBeLessThan(clock.now() - 59_000);
    server.bookmark();
    await until(() => confirmedAt("services") >= listed + 60_000, "the bookmark to count");
  });

  it("by a word to another one, and nobody is asked then (PF-03)", async () => {
    await open();
    clock.skip(2_900);
    const since = clock.now();
    server.put("nodes", { metadata: { name: "n1" } });
    await until(() => confirmedSince(since).length === 5, "all to be confirmed");
    clock.beatAfter(2_000);
    expect(server.questions).toBe(0);
  });

  it("by an answer to a question in the silence, over one connection, and a refusal will do (PF-03)", async () => {
    await open();
    const since = await askAndHear();
    await until(() => confirmedSince(since).length === 5, "all to be confirmed");
    expect(await askAndHear()).toBeGreaterThan(since);
    expect(server.questions).toBe(2);
    expect(server.connections).toBeLessThanOrEqual(6);
  });

  it("not while its own watch is not agreed to (PF-03)", async () => {
    server.handlers.push(({ resource, query }) => resource === "services" && query.has("watch"));
    source.start(seen.sink);
    const others = resources.filter((each) => each !== "services");
    await until(() => others.every((each) => server.watching(each)), "four watches");
    await until(() => watches("services") === 1, "a request for the fifth");
    const since = await askAndHear();
    expect(confirmedSince(since)).toEqual(others);
  });

  it("by others while its own watch hangs, until that is made anew and brings what it missed (PF-03)", async () => {
    await open();
    const { version } = server;
    // Of the other servers of one address, one has stopped: its watch of Services hangs.
    server.hang("services");
    server.put("services", service("web"));
    const since = await askAndHear();
    await until(() => confirmedSince(since).length === 5, "all to be confirmed");
    clock.skip(150_000);
    clock.endSilences();
    await until(() => seen.lines.includes("+ service web 10.96.0.10"), "what was missed");
    expect(server.requestsOf("services", "watch").at(-1)?.query.get("resourceVersion")).toBe(
      version,
    );
    expect(resources.map((each) => statusOf(each).lists)).toEqual([1, 1, 1, 1, 1]);
    expect(reports).toEqual([]);
  });

  it("never where it is withheld, which is told apart (PF-03)", async () => {
    let isThere = false;
    const refuse: Handler = (request, response) => {
      if (isThere || request.resource !== "servicecidrs") return false;
      server.handlers.push(refuse);
      return answer(response, 404, "404 page not found");
    };
    server.handlers.push(refuse);
    source.start(seen.sink);
    await until(() => statusOf("servicecidrs").withheld === true, "ServiceCIDRs to be withheld");
    expect(confirmedAt("servicecidrs")).toBe(0);
    await server.close();
    const error = () => statusOf("servicecidrs").error ?? "";
    await until(() => error().includes("ECONNREFUSED"), "the API server to be away");
    expect(statusOf("servicecidrs").withheld).toBe(true);
    isThere = true;
    await server.listen();
    await until(() => confirmedAt("servicecidrs") > 0, "them to be listed");
    expect(resources.map((each) => statusOf(each).withheld)).toEqual(Array(5).fill(false));
  });
});

describe("an API server that falls silent", () => {
  /** Until the watches are cut, and asked for again in vain. */
  async function freeze(): Promise<void> {
    server.isFrozen = true;
    await ask();
    clock.beatAfter(4_000);
    await until(() => reports.length > 0, "the silence to be told");
    clock.beatAfter(8_000);
    await until(() => resources.every((each) => watches(each) === 2), "new watches");
  }

  it("is told of once, and its watches are cut after 15 s and go on from the last version, without a list (PF-03)", async () => {
    await open();
    const { version } = server;
    const since = clock.now();
    await freeze();
    expect(reports[0]).toBe(
      "the API server does not answer: what is programmed is served on, and it is asked again every 4 s",
    );
    expect(reports.slice(1).toSorted()).toEqual(
      resources
        .map(
          (each) =>
            `cannot watch ${each}: the API server has said nothing for 15 s, so the connection is made anew, perhaps to another one`,
        )
        .toSorted(),
    );
    expect(confirmedSince(since + 1_000)).toEqual([]);
    const asked = resources.map((each) => server.requestsOf(each, "watch").at(-1)?.query);
    expect(asked.map((query) => query?.get("resourceVersion"))).toEqual(Array(5).fill(version));
    expect(resources.map((each) => statusOf(each).lists)).toEqual([1, 1, 1, 1, 1]);
  });

  it("is asked for watches ever more rarely while it stays silent (PF-03)", async () => {
    await open();
    await freeze();
    expect(clock.waits).toEqual([250, 250, 250, 250, 250]);
    for (const [round, wait] of [500, 1000, 2000].entries()) {
      clock.waits.length = 0;
      clock.beatAfter(15_000);
      await until(() => resources.every((each) => watches(each) === round + 3), "new watches");
      expect(clock.waits).toEqual(Array(5).fill(wait));
    }
  });

  it("is back with its first answer: what hangs is asked again at once, and nothing is lost (PF-03)", async () => {
    await open();
    await freeze();
    server.put("services", service("web"));
    server.isFrozen = false;
    // The question that was asked in vain ends, and the next one is answered.
    clock.beatAfter(4_000);
    const { questions } = server;
    await until(() => {
      clock.beatAfter(0);
      return server.questions > questions;
    }, "another question");
    await until(() => {
      clock.beatAfter(0);
      return seen.lines.includes("+ service web 10.96.0.10");
    }, "what was made meanwhile");
    await until(() => resources.every((each) => server.watching(each)), "five watches");
    expect(seen.lines.filter((line) => line.includes("web"))).toEqual(["+ service web 10.96.0.10"]);
    expect(resources.map((each) => statusOf(each).lists)).toEqual([1, 1, 1, 1, 1]);
    expect(resources.map(watches)).toEqual([3, 3, 3, 3, 3]);
  });
});
