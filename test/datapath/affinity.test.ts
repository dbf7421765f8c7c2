import { inNetns, netnsCookie } from "libbpf-ts";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Affinity, affinityCodec, affinityKeyCodec } from "../../bpf/build/layout.ts";
import { netnsPath } from "../harness/netns.ts";
import type { TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";
import { ask, tally } from "./ask.ts";
import { type EndpointSpec, type ServiceSpec, tcp, udp } from "./manifests.ts";
import { ServedNode } from "./served_node.ts";

const vip = "10.96.3.1";
const vip6 = "fd00:96::3:1";

describe("ClientIP session affinity", () => {
  let served: ServedNode;
  let client: TestPod;
  let backends: EndpointSpec[];
  let sticky: ServiceSpec;

  beforeAll(async () => {
    served = await ServedNode.start();
    client = await served.node.makePod("client");
    backends = [];
    for (const name of ["one", "two", "three", "four"]) {
      backends.push({ pod: await served.backend(name, { tcp: [8080, 9090], udp: [8080] }) });
    }
    sticky = {
      name: "sticky",
      ip4: vip,
      ip6: vip6,
      ports: [tcp(80, 8080), tcp(81, 9090), udp(80, 8080)],
      endpoints: backends,
      affinitySeconds: 10_800,
    };
    await served.publish(sticky);
  });
  afterAll(() => served?.[Symbol.asyncDispose]());

  const chosen = async (from = client, address = vip, port = 80): Promise<string> => {
    const outcome = await ask(from, "tcp", address, port);
    if (typeof outcome === "string") throw new Error(outcome);
    return outcome.backend;
  };

  /** What a pod's namespace is remembered for, of one port of the Service. */
  const entryOf = async (pod: TestPod, name = "sticky", portName = "tcp-80") => {
    const { index } = await served.servicePort(name, portName, "IPv4");
    const clientKey = new Uint8Array(16);
    const cookie = inNetns(netnsPath(pod.netns), netnsCookie);
    new DataView(clientKey.buffer).setBigUint64(0, cookie ?? 0n, true);
    const key = new Uint8Array(affinityKeyCodec.size);
    affinityKeyCodec.encode({ client: clientKey, service: index, kind: 0 }, key);
    const map = served.map("affinities");
    return {
      read(): Affinity {
        const value = map.lookup(key);
        if (value === undefined) throw new Error(`no affinity of ${pod.name} to ${name}`);
        return affinityCodec.decode(value);
      },
      write(entry: Affinity) {
        const value = new Uint8Array(affinityCodec.size);
        affinityCodec.encode(entry, value);
        map.update(key, value);
      },
      [Symbol.dispose]: () => map.close(),
    };
  };

  /** Makes connections until they go elsewhere; one fair pick among four differs sooner. */
  const leaves = async (
    from: TestPod,
    backend: string,
    forget: () => void,
    address = vip,
  ): Promise<boolean> => {
    for (let n = 0; n < 40; n++) {
      forget();
      if ((await chosen(from, address)) !== backend) return true;
    }
    return false;
  };

  it("leads a pod to the same backend each time (KP-28)", async () => {
    const first = await chosen();
    expect(await tally(client, "tcp", vip, 80, 50)).toEqual({ [first]: 50 });
  });

  it("leads a pod's IPv4-mapped connections where its IPv4 ones go (KP-28)", async () => {
    const first = await chosen();
    expect(await tally(client, "tcp", `::ffff:${vip}`, 80, 20)).toEqual({ [first]: 20 });
  });

  it("is kept for each port and protocol by itself (KP-28)", async () => {
    const pods = await Promise.all(
      Array.from({ length: 12 }, (_, n) => served.node.makePod(`port-${n}`)),
    );
    const picks = [];
    for (const pod of pods) {
      const on80 = await chosen(pod);
      const on81 = await chosen(pod, vip, 81);
      const onUdp = Object.keys(await tally(pod, "udp", vip, 80, 5));
      expect(await tally(pod, "tcp", vip, 80, 5)).toEqual({ [on80]: 5 });
      expect(await tally(pod, "tcp", vip, 81, 5)).toEqual({ [on81]: 5 });
      expect(onUdp).toHaveLength(1);
      picks.push({ on80, on81, onUdp: onUdp[0] });
    }
    // That all twelve agree by chance: once in 16 million.
    expect(picks.some(({ on80, on81 }) => on80 !== on81)).toBe(true);
    expect(picks.some(({ on80, onUdp }) => on80 !== onUdp)).toBe(true);
    // Nor is one pod's choice another's.
    expect(new Set(picks.map(({ on80 }) => on80)).size).toBeGreaterThan(1);
  });

  it("holds for UDP, connected and not (KP-28)", async () => {
    const [first] = Object.keys(await tally(client, "udp", vip, 80, 30));
    expect(await tally(client, "udp", vip, 80, 30)).toEqual({ [first ?? ""]: 30 });
    const options = { unconnected: true };
    for (let n = 0; n < 10; n++) {
      expect(await ask(client, "udp", vip, 80, options)).toMatchObject({ backend: first });
    }
  });

  it("takes all processes of the node's own network for one client (KP-28)", async () => {
    const counts = await tally(served.node, "tcp", vip, 80, 30);
    const first = Object.keys(counts)[0] ?? "";
    expect(counts).toEqual({ [first]: 30 });
    for (let n = 0; n < 10; n++) {
      expect(await ask(served.node, "tcp", vip, 80)).toMatchObject({ backend: first });
    }
  });

  it("holds among this node's pods where the internal traffic policy is Local (KP-28)", async () => {
    const local: ServiceSpec = {
      ...sticky,
      name: "local",
      ip4: "10.96.3.2",
      ip6: "fd00:96::3:2",
      ports: [tcp(80, 8080)],
      internalTrafficPolicy: "Local",
      endpoints: backends.map((each) => ({ ...each, nodeName: served.node.name })),
    };
    await served.publish(local);
    const counts = await tally(client, "tcp", "10.96.3.2", 80, 30);
    expect(Object.values(counts)).toEqual([30]);
    await served.remove("local");
  });

  it("ends when no connection came for longer than its timeout (KP-28)", async () => {
    const first = await chosen();
    using entry = await entryOf(client);
    const now = process.hrtime.bigint();
    const expired = () =>
      entry.write({ ...entry.read(), lastSeen: now - 10_801n * 1_000_000_000n });
    const fresh = () => entry.write({ ...entry.read(), lastSeen: now - 10_700n * 1_000_000_000n });
    expect(await leaves(client, first, expired)).toBe(true);
    const second = await chosen();
    expect(await leaves(client, second, fresh)).toBe(false);
  });

  it("is refreshed by each connection (KP-28)", async () => {
    await chosen();
    using entry = await entryOf(client);
    const before = process.hrtime.bigint();
    expect(entry.read().lastSeen).toBeLessThan(before);
    await chosen();
    expect(entry.read().lastSeen).toBeGreaterThan(before);
  });

  it("counts the choices that it made (PF-48)", async () => {
    await chosen();
    const count = async () => (await served.servicePort("sticky", "tcp-80", "IPv4")).stats.affinity;
    const before = await count();
    await tally(client, "tcp", vip, 80, 7);
    expect(await count()).toBe(before + 7);
  });

  it("moves to another backend when its own leaves, and stays there (KP-28, PF-31)", async () => {
    const first = await chosen();
    const others = backends.filter(({ pod }) => pod !== named(first));
    await served.publish({ ...sticky, endpoints: others });
    const second = await chosen();
    expect(second).not.toBe(first);
    expect(await tally(client, "tcp", vip, 80, 30)).toEqual({ [second]: 30 });
    await served.publish(sticky);
    expect(await tally(client, "tcp", vip, 80, 30)).toEqual({ [second]: 30 });
  });

  it("sends nothing new to its backend once that terminates (PF-31)", async () => {
    const first = await chosen();
    const going = backends.map((each) =>
      each.pod === named(first)
        ? { ...each, ready: false, serving: true, terminating: true }
        : each,
    );
    await served.publish(
      { ...sticky, endpoints: going },
      backends.filter(({ pod }) => pod !== named(first)),
    );
    const counts = await tally(client, "tcp", vip, 80, 30);
    expect(Object.keys(counts)).toHaveLength(1);
    expect(counts[first]).toBeUndefined();
    await served.publish(sticky);
  });

  it("survives a crash and restart of the agent (KP-28)", async () => {
    const first = await chosen();
    await served.agent.kill();
    expect(await tally(client, "tcp", vip, 80, 20)).toEqual({ [first]: 20 });
    await served.agent.begin();
    expect(await tally(client, "tcp", vip, 80, 20)).toEqual({ [first]: 20 });
  });

  it("ends with the setting (KP-28)", async () => {
    const { affinitySeconds: _, ...loose } = sticky;
    await served.publish(loose);
    expect(Object.keys(await tally(client, "tcp", vip, 80, 200)).sort()).toEqual([
      "four",
      "one",
      "three",
      "two",
    ]);
    await served.publish(sticky);
  });

  describe("to a Service that is deleted", () => {
    const heirVip = "10.96.3.11";
    let heir: ServiceSpec;
    let remembered: Affinity;
    let held: number;
    /** Indices are given out again once a grace period has passed. */
    const othersAreReclaimed = () =>
      until(
        async () => {
          const { services, backends } = (await served.agent.status()).sync;
          return services === 6 && backends === 24;
        },
        { deadlineMs: 10_000, describe: "only the six ports of sticky to hold indices" },
      );

    beforeEach(async () => {
      await othersAreReclaimed();
      const first = {
        name: "first",
        ip4: "10.96.3.10",
        ports: [tcp(80, 8080)],
        endpoints: backends.slice(0, 1),
        affinitySeconds: 10_800,
      };
      heir = { ...first, name: "heir", ip4: heirVip };
      await served.publish(first);
      expect(await chosen(client, "10.96.3.10")).toBe("one");
      using entry = await entryOf(client, "first");
      remembered = entry.read();
      held = (await served.servicePort("first", "tcp-80", "IPv4")).index;
      await served.remove("first");
      await othersAreReclaimed();
    });
    afterEach(() => served.remove("heir"));

    it("does not lead to a backend of another Service that took the index (PF-27)", async () => {
      const endpoints = backends.slice(2, 3);
      await served.publish({ ...heir, endpoints: [] });
      await served.publish({ ...heir, name: "stranger", ip4: "10.96.3.12" });
      await served.publish({ ...heir, endpoints });
      using entry = await entryOf(client, "heir");
      const stranger = await served.servicePort("stranger", "tcp-80", "IPv4");
      expect((await served.servicePort("heir", "tcp-80", "IPv4")).index).toBe(held);
      expect(stranger.cluster.map(({ index }) => index)).toEqual([remembered.backend]);
      expect(entry.read()).toEqual(remembered);
      expect(await chosen(client, heirVip)).toBe("three");
      await served.remove("stranger");
    });

    it("does not prefer the backend of its heir that took the index (PF-27)", async () => {
      await served.publish({ ...heir, endpoints: backends.slice(1, 3) });
      using entry = await entryOf(client, "heir");
      const { index, cluster } = await served.servicePort("heir", "tcp-80", "IPv4");
      expect(index).toBe(held);
      expect(cluster.map((each) => each.index)).toContain(remembered.backend);
      const forget = () => entry.write(remembered);
      expect(await leaves(client, "two", forget, heirVip)).toBe(true);
      expect(await leaves(client, "three", forget, heirVip)).toBe(true);
    });
  });

  function named(name: string): EndpointSpec["pod"] {
    const found = backends.find(({ pod }) => (pod as TestPod).name === name);
    if (found === undefined) throw new Error(`no backend ${name}`);
    return found.pod;
  }
});
