import { afterEach, describe, expect, it } from "vitest";
import type { FailureDump } from "../../agent/serve/dump.ts";
import type { TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";
import { ask } from "./ask.ts";
import { type EndpointSpec, type ServiceSpec, tcp, writeService } from "./manifests.ts";
import { ServedNode } from "./served_node.ts";

const address = (n: number): string => `10.96.7.${n}`;

/** PF-08: whom a full map keeps out is named, the rest works, and room is used once there is some. */
describe("a full map", () => {
  let served: ServedNode;
  let client: TestPod;
  let endpoint: EndpointSpec;
  afterEach(() => served?.[Symbol.asyncDispose]());

  const start = async (...flags: readonly string[]) => {
    served = await ServedNode.start({ flags });
    client = await served.node.makePod("client");
    endpoint = { pod: await served.backend("one", { tcp: [8080] }) };
  };
  const service = (n: number, endpoints: readonly EndpointSpec[] = [endpoint]): ServiceSpec => ({
    name: `web-${n}`,
    ip4: address(n),
    ports: [tcp(80, 8080)],
    endpoints,
  });
  /** Addresses at which nobody answers, to take room. */
  const filler = (count: number): EndpointSpec[] =>
    Array.from({ length: count }, (_, n) => ({ pod: { ip4: `10.244.9.${n + 1}`, ip6: "" } }));
  const failures = async () => (await served.agent.status()).failures;
  const failing = (count: number): Promise<readonly FailureDump[]> =>
    until(
      async () => {
        const standing = await failures();
        return standing.length === count && standing;
      },
      { deadlineMs: 10_000, describe: `${count} failures` },
    );
  const serves = (n: number) =>
    until(async () => typeof (await ask(client, "tcp", address(n), 80)) === "object", {
      deadlineMs: 15_000,
      describe: `web-${n} to be served`,
    });
  const message = (map: string, entries: number, flag: string) =>
    `the map ${map} has no room left in its ${entries} entries: raise ${flag}, which takes effect after "sluice cleanup"`;

  it("of services names the Service left out, serves the rest, and takes it in later", async () => {
    await start("--max-services=2");
    await served.publish(service(1));
    await served.publish(service(2));
    await writeService(served.folder, service(3));
    const [failure] = await failing(1);
    expect(failure).toMatchObject({
      service: "default/web-3:tcp-80/TCP/IPv4",
      message: message("services", 2, "--max-services"),
    });
    expect(served.agent.log).toContain("default/web-3");
    expect(served.agent.log).toContain("raise --max-services");
    for (const n of [1, 2]) {
      expect(await ask(client, "tcp", address(n), 80)).toMatchObject({ backend: "one" });
    }
    await served.publish(service(2, []));
    expect(await ask(client, "tcp", address(2), 80)).toBe("ECONNREFUSED");

    await served.remove("web-1");
    await serves(3);
    expect(await failures()).toEqual([]);
  });

  it("of endpoints names the Service left out, serves the rest, and takes it in later", async () => {
    await start("--max-endpoints=8");
    await served.publish(service(1));
    await served.publish(service(2, filler(6)));
    await writeService(served.folder, service(3, [endpoint, ...filler(3)]));
    const [failure] = await failing(1);
    expect(failure).toMatchObject({
      service: "default/web-3:tcp-80/TCP/IPv4",
      message: message("backends", 8, "--max-endpoints"),
    });
    expect(await ask(client, "tcp", address(1), 80)).toMatchObject({ backend: "one" });

    await served.publish(service(2, [endpoint]));
    await until(async () => (await failures()).length === 0, {
      deadlineMs: 15_000,
      describe: "web-3 to find room",
    });
    const { cluster } = await served.servicePort("web-3", "tcp-80", "IPv4");
    expect(cluster).toHaveLength(4);
    expect(await ask(client, "tcp", address(2), 80)).toMatchObject({ backend: "one" });
  });

  it("of endpoints keeps a Service that would grow as it was until there is room", async () => {
    await start("--max-endpoints=8");
    await served.publish(service(1));
    await served.publish(service(2, filler(6)));
    await writeService(served.folder, service(1, [endpoint, ...filler(4)]));
    const [failure] = await failing(1);
    expect(failure?.service).toBe("default/web-1:tcp-80/TCP/IPv4");
    for (let n = 0; n < 10; n++) {
      expect(await ask(client, "tcp", address(1), 80)).toMatchObject({ backend: "one" });
    }
    await served.remove("web-2");
    await until(async () => (await failures()).length === 0, {
      deadlineMs: 15_000,
      describe: "web-1 to grow",
    });
    expect((await served.servicePort("web-1", "tcp-80", "IPv4")).cluster).toHaveLength(5);
  });

  it("of frontends names the Service left out, serves the rest, and takes it in later", async () => {
    // Each Service takes one, and one by which its other ports are refused.
    await start("--max-frontends=4");
    await served.publish(service(1));
    await served.publish(service(2));
    await writeService(served.folder, service(3));
    const [failure] = await failing(1);
    expect(failure).toMatchObject({
      service: "default/web-3:tcp-80/TCP/IPv4",
      message: message("frontends", 4, "--max-frontends"),
    });
    for (const n of [1, 2]) {
      expect(await ask(client, "tcp", address(n), 80)).toMatchObject({ backend: "one" });
    }
    await served.remove("web-2");
    await serves(3);
    expect(await failures()).toEqual([]);
  });

  it("of slots names the Service left out, serves the rest, and takes it in later", async () => {
    await start("--max-slots=16");
    await served.publish(service(1));
    await served.publish(service(2, filler(8)));
    await writeService(served.folder, service(3, [endpoint, ...filler(4)]));
    const [failure] = await failing(1);
    expect(failure).toMatchObject({
      service: "default/web-3:tcp-80/TCP/IPv4",
      message: message("slots", 16, "--max-slots"),
    });
    expect(await ask(client, "tcp", address(1), 80)).toMatchObject({ backend: "one" });
    await served.remove("web-2");
    await until(async () => (await failures()).length === 0, {
      deadlineMs: 15_000,
      describe: "web-3 to find room",
    });
    expect((await served.servicePort("web-3", "tcp-80", "IPv4")).cluster).toHaveLength(5);
  });

  it("of clients with affinity forgets the one seen longest ago, and refuses nobody", async () => {
    await start("--max-affinities=4");
    for (const n of [1, 2, 3, 4, 5, 6, 7, 8]) {
      await served.publish({ ...service(n), affinitySeconds: 600 });
    }
    for (const n of [1, 2, 3, 4, 5, 6, 7, 8, 1, 8]) {
      expect(await ask(client, "tcp", address(n), 80)).toMatchObject({ backend: "one" });
    }
    expect(await failures()).toEqual([]);
  });

  it("is shown as full in the status before anybody is left out", async () => {
    await start("--max-services=2", "--max-frontends=8");
    await served.publish(service(1));
    await served.publish(service(2));
    const { maps } = (await served.agent.status()).datapath;
    expect(maps.find(({ name }) => name === "services")).toMatchObject({ entries: 2, capacity: 2 });
    expect(maps.find(({ name }) => name === "frontends")).toMatchObject({
      entries: 4,
      capacity: 8,
    });
    expect(await failures()).toEqual([]);
  });
});
