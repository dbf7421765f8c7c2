import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { finish } from "../harness/child.ts";
import { type Attempt, type Load, startLoad } from "../harness/load.ts";
import { ip } from "../harness/netns.ts";
import { authorityOf } from "../harness/transfer.ts";
import { until } from "../harness/until.ts";
import { Bench } from "./bench.ts";
import type { Placed } from "./comparison.ts";
import { addressIn } from "./objects.ts";
import { backendNames, families, type Scenario, type ServiceCase } from "./scenario.ts";
import { otherNodeAddress, type Position, type Side } from "./side.ts";

const START_MS = 90_000;

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.start();
}, START_MS);
afterAll(() => bench?.[Symbol.asyncDispose]());

const both = <Value>(ask: (side: Side) => Promise<Value>) => {
  const [kubeProxy, sluice] = bench.sides;
  return Promise.all([ask(kubeProxy), ask(sluice)]);
};

const local: ServiceCase = {
  type: "LoadBalancer",
  externalTrafficPolicy: "Local",
  healthCheck: true,
};

/** By what is behind the Service, the status and the endpoints that its check tells of. */
const checks: Readonly<Record<string, readonly [ServiceCase, string]>> = {
  "one endpoint here": [{ ...local, endpoints: [{ on: "a-1" }, { on: "b-0" }] }, "200, 1 local"],
  "three here, of which one is the node's": [
    { ...local, endpoints: [{ on: "a-0" }, { on: "a-1" }, { on: "host-a" }] },
    "200, 3 local",
  ],
  "none here": [{ ...local, endpoints: [{ on: "b-0" }] }, "503, 0 local"],
  "none at all": [{ ...local, endpoints: [] }, "503, 0 local"],
  "one here that is not ready": [
    { ...local, endpoints: [{ on: "a-1", ready: false }] },
    "503, 0 local",
  ],
  "one here that ends, and still serves": [
    { ...local, endpoints: [{ on: "a-1", ready: false, serving: true, terminating: true }] },
    "503, 0 local",
  ],
  "one here that names no node": [
    { ...local, endpoints: [{ on: "a-1", nodeName: null }] },
    "503, 0 local",
  ],
  "one elsewhere that names this node": [
    { ...local, endpoints: [{ on: "b-0", nodeName: "a" }] },
    "200, 1 local",
  ],
  "one here that two slices name": [
    { ...local, slices: [{ endpoints: [{ on: "a-1" }] }, { endpoints: [{ on: "a-1" }] }] },
    "200, 1 local",
  ],
  "policy Cluster": [
    { ...local, externalTrafficPolicy: "Cluster", endpoints: [{ on: "a-1" }] },
    "refused",
  ],
  "a type without a balancer": [
    { ...local, type: "NodePort", endpoints: [{ on: "a-1" }] },
    "refused",
  ],
};

/** The pod is here in IPv6 alone: what is told at addresses of IPv4. */
const halves: Readonly<Record<string, readonly [ServiceCase, string]>> = {
  "a Service of IPv6": [{ ...local, families: ["IPv6"], endpoints: [{ on: "a-1" }] }, "refused"],
  "an endpoint of IPv6": [
    {
      ...local,
      slices: [
        { families: ["IPv6"], endpoints: [{ on: "a-1" }] },
        { families: ["IPv4"], endpoints: [{ on: "b-0" }] },
      ],
    },
    "503, 0 local",
  ],
};

describe("a balancer's check", () => {
  let placed: readonly Placed[];
  beforeAll(async () => {
    const cases = Object.entries({ ...checks, ...halves });
    placed = await bench.place(cases.map(([name, [service]]) => ({ name, steps: [service] })));
  }, START_MS);

  /** At both of the node's own addresses, at another one and at the loopback. */
  const hosts = ({ node }: Side) => [node.ip4, node.ip6, otherNodeAddress.ip4, "127.0.0.1"];
  const answersOf = (name: string, from: Position, path: string) => async (side: Side) => {
    const port = placed.find((each) => each.name === name)?.place.healthCheckNodePort ?? 0;
    const reachable = from === "node" ? hosts(side) : hosts(side).slice(0, 2);
    const urls = reachable.map((host) => `http://${authorityOf(host, port)}${path}`);
    return await Promise.all(urls.map((url) => get(side, from, url)));
  };
  /** Both proxies' answers to the node, as soon as they are these. */
  const answered = async (name: string, expected: readonly (readonly string[])[]) => {
    let last: readonly (readonly (Answer | "refused")[])[] = [];
    const summaries = () => last.map((answers) => answers.map(summaryOf));
    await until(
      async () => {
        last = await both(answersOf(name, "node", "/"));
        return JSON.stringify(summaries()) === JSON.stringify(expected);
      },
      {
        deadlineMs: 20_000,
        describe: () => `${JSON.stringify(expected)}; got ${JSON.stringify(summaries())}`,
      },
    );
    return last;
  };

  for (const [name, [, told]] of Object.entries(checks)) {
    it(`is answered alike where there is ${name} (KP-40)`, async () => {
      const all = [told, told, "refused", "refused"];
      const [theirs, ours] = await answered(name, [all, all]);
      expect(ours).toEqual(theirs);
      const outside = await both(answersOf(name, "outside", "/any/path?at=all"));
      expect(outside[1]).toEqual(outside[0]);
      expect(outside[0].map(summaryOf)).toEqual([told, told]);
    });
  }

  for (const [name, [, at4]] of Object.entries(halves)) {
    it(`is answered for the address's family alone where there is ${name} (KP-02, KP-40)`, async () => {
      const all = [at4, "200, 1 local", "refused", "refused"];
      const [theirs, ours] = await answered(name, [all, all]);
      expect(ours).toEqual(theirs);
    });
  }
});

interface Answer {
  readonly status: string;
  /** Without those of the connection, and without dates. */
  readonly headers: readonly string[];
  readonly body: string;
}

const ofConnection = /^(date|connection|keep-alive|transfer-encoding):/i;
const REFUSED = 7;

async function get(side: Side, from: Position, url: string): Promise<Answer | "refused"> {
  const curl = side.sites[from].start("curl", ["-g", "-sSi", "--max-time", "10", url]);
  const { code, stdout, stderr } = await finish(curl, 30_000);
  if (code === REFUSED) return "refused";
  if (code !== 0) throw new Error(stderr);
  const [head = "", ...body] = stdout.split("\r\n\r\n");
  const [status = "", ...headers] = head.split("\r\n");
  const told = headers.filter((line) => !ofConnection.test(line)).toSorted();
  return { status, headers: told, body: body.join("\r\n\r\n") };
}

function summaryOf(answer: Answer | "refused" | undefined): string {
  if (answer === undefined || answer === "refused") return answer ?? "nothing";
  const [, status] = answer.status.split(" ");
  const { localEndpoints } = JSON.parse(answer.body) as { readonly localEndpoints: number };
  return `${status}, ${localEndpoints} local`;
}

describe("a ClusterIP that a device of the node has", () => {
  it("is left to whoever listens there, deliberately (PF-45)", async () => {
    const ports = [
      { protocol: "TCP", port: 9090 } as const,
      { protocol: "UDP", port: 9090 } as const,
    ];
    const scenarios = [{ name: "bound", steps: [{ ports, endpoints: [{ on: "a-1" } as const] }] }];
    const [placed] = await bench.place(scenarios);
    const { clusterIP } = placed?.place ?? { clusterIP: { ip4: "", ip6: "" } };
    const change = (action: "add" | "del") =>
      both(({ node }) =>
        ip(
          [
            `addr ${action} ${clusterIP.ip4}/32 dev lo`,
            `addr ${action} ${clusterIP.ip6}/128 dev lo`,
          ],
          node.netns,
        ),
      );
    const backends = async (side: Side) => {
      const answers = await Promise.all(
        (["pod", "bypass", "node"] as const).map(async (from) =>
          side.ask(
            from,
            families.flatMap((family) =>
              ports.map(({ protocol, port }) => {
                return { protocol, address: addressIn(clusterIP, family), port, tries: 2 };
              }),
            ),
          ),
        ),
      );
      const names = answers.flat(2).map((it) => (it.kind === "answered" ? it.backend : it.kind));
      return [...new Set(names)].join();
    };
    await change("add");
    try {
      const expected = ["a-1", "host-a"];
      await until(async () => (await both(backends)).join(" ") === expected.join(" "), {
        deadlineMs: 20_000,
        describe: `kube-proxy and sluice to lead to ${expected.join(" and ")}`,
      });
    } finally {
      await change("del");
    }
    await until(async () => (await both(backends)).join(" ") === "a-1 a-1", {
      deadlineMs: 20_000,
      describe: "both to serve the Service again",
    });
  });
});

/** So many that nobody is likely to get the same one twice. */
const many = backendNames.map((on) => ({ on }));
const timeoutSeconds = 1;

describe("session affinity is alike", () => {
  const scenarios: readonly Scenario[] = [
    {
      name: "short",
      steps: [{ type: "NodePort", endpoints: many, affinitySeconds: timeoutSeconds }],
    },
    { name: "long", steps: [{ type: "NodePort", endpoints: many, affinitySeconds: 600 }] },
  ];
  let placed: readonly Placed[];
  const placeOf = (name: string) => {
    const found = placed.find((each) => each.name === name);
    if (found === undefined) throw new Error(`no scenario ${name}`);
    return found.place;
  };
  beforeAll(async () => {
    placed = await bench.place(scenarios);
  }, START_MS);

  /** A client of each way there is, to the ClusterIP or the NodePort. */
  const clients = families.flatMap((family) =>
    (["pod", "bypass", "node", "outside"] as const).map((from) => ({ family, from })),
  );
  const targetOf = (side: Side, name: string, { family, from }: (typeof clients)[number]) => {
    const place = placeOf(name);
    return from === "outside"
      ? { address: addressIn(side.node, family), port: place.nodePort(0) }
      : { address: addressIn(place.clusterIP, family), port: 80 };
  };

  /** Whom each client is led to over that many connections, from before or anew. */
  const chosen = async (side: Side, tries: number) =>
    Promise.all(
      clients.map(async (client) => {
        const probe = { protocol: "TCP", ...targetOf(side, "long", client), tries } as const;
        const [answers = []] = await side.ask(client.from, [probe]);
        const names = answers.map((each) => (each.kind === "answered" ? each.backend : each.kind));
        return [...new Set(names)].join();
      }),
    );

  it("when the client stays away for longer than its timeout, and when it does not (KP-28)", async () => {
    const start = (side: Side, gapSeconds: number) =>
      Promise.all(
        clients.map((client) =>
          startLoad(
            side.sites[client.from],
            { protocol: "tcp", ...targetOf(side, "short", client) },
            { gapUs: gapSeconds * 1e6 },
          ),
        ),
      );
    const stop = (loads: readonly Load[]) => Promise.all(loads.map((each) => each.stop()));
    const changes = async (side: Side) => {
      const often = await start(side, timeoutSeconds / 8);
      await until(() => often.every((each) => spanSeconds(each) > 2 * timeoutSeconds), {
        deadlineMs: 60_000,
        describe: "each client to come often for twice the timeout",
      });
      await stop(often);
      const seldom = await start(side, timeoutSeconds * 1.25);
      await until(() => seldom.every((each) => moved(each) > 0), {
        deadlineMs: 60_000,
        describe: () => `each client to be led elsewhere; so many are: ${seldom.map(moved)}`,
      });
      await stop(seldom);
      return often.map((each) => moved(each, timeoutSeconds / 2));
    };
    expect(await both(changes)).toEqual([clients.map(() => 0), clients.map(() => 0)]);
  });

  it("across a restart of the proxy (KP-28)", async () => {
    const before = await both((side) => chosen(side, 4));
    await both((side) => side.restart());
    await bench.republish(placed);
    const after = await both((side) => chosen(side, 4));
    expect(after).toEqual(before);
    for (const names of before.flat()) expect(backendNames).toContain(names);
  });
});

const spanSeconds = ({ attempts }: Load): number =>
  ((attempts.at(-1)?.at ?? 0) - (attempts[0]?.at ?? 0)) / 1e9;

/** How often an attempt was led elsewhere than the one before, of those that came so soon after it. */
function moved({ attempts }: Load, withinSeconds = Number.POSITIVE_INFINITY): number {
  const led = (attempt: Attempt): string => (attempt.ok ? attempt.backend : attempt.errno);
  return attempts.filter((attempt, index) => {
    const before = attempts[index - 1];
    const isSoon = before !== undefined && (attempt.at - before.at) / 1e9 < withinSeconds;
    return isSoon && led(attempt) !== led(before);
  }).length;
}
