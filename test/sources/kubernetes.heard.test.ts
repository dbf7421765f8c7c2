import { afterEach, beforeEach, expect, it } from "vitest";
import { KubernetesSource } from "../../agent/sources/kubernetes/source.ts";
import { FakeApiServer } from "./apiserver.ts";
import { TestClock } from "./clock.ts";
import { until } from "./recorder.ts";

const clock = new TestClock();
let server: FakeApiServer;
let source: KubernetesSource;

beforeEach(async () => {
  server = new FakeApiServer();
  await server.listen();
  source = new KubernetesSource({ server: server.url, nodeName: "n1", clock });
});
afterEach(async () => {
  await source.stop();
  await server.close();
});

it("knows when the API server last said how far it has come, if only by a bookmark (PF-03, PF-11)", async () => {
  const heardAt = () => {
    const { resources } = source.status();
    return resources.find(({ resource }) => resource === "services")?.confirmedAt?.getTime() ?? 0;
  };
  source.start(() => {});
  expect(heardAt()).toBe(0);
  await until(() => server.watching("services"), "a watch of Services");
  const listed = heardAt();
  expect(listed).toBeGreaterThan(0);
  clock.skip(60_000);
  expect(heardAt()).toBe(listed);
  server.bookmark();
  await until(() => heardAt() > listed, "the bookmark to count");
  expect(heardAt() - listed).toBeGreaterThanOrEqual(60_000);
});
