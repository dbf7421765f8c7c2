import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BpfLink } from "libbpf-ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TestClient } from "../harness/client.ts";
import { Cluster } from "../harness/cluster.ts";
import type { Deployment } from "../harness/deployment.ts";
import { attempt, startLoad } from "../harness/load.ts";
import type { TestNode } from "../harness/node.ts";
import type { TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";
import { type GatedAgent, prepareGatedAgent } from "./gated_agent.ts";
import { Scrape } from "./scrape.ts";

let cluster: Cluster;
let node: TestNode;
let client: TestPod;
let outside: TestClient;
let gated: GatedAgent;
let web: Deployment;
const addresses: Record<string, string> = {};

beforeAll(async () => {
  cluster = await Cluster.start();
  node = await cluster.addNode("a");
  client = await node.makePod("client");
  outside = await cluster.network.makeClient("outside");
  const flags = [
    "--max-services=64",
    "--max-flows=8192",
    "--udp-timeout=1s",
    "--udp-stream-timeout=1s",
    "--audit-period=1s",
  ];
  gated = await prepareGatedAgent(cluster, node, flags);
  await gated.gate.shut();
  gated.agent.launch();
});
afterAll(async () => {
  await gated?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

type Move = number | "up" | "down" | "either way";
type Moves = Readonly<Record<string, Move>>;

const moved = new Set<string>();

const familyOf = (selector: string): string =>
  selector.replace(/\{.*/, "").replace(/_(bucket|sum|count)$/, "");

/** Does something, and waits until each of these metrics has moved by so much, or that way. */
async function moves(expected: Moves, act: () => Promise<unknown>): Promise<void> {
  const before = await Scrape.of(node);
  await act();
  let now = before;
  let left = Object.entries(expected);
  const isDone = async () => {
    now = await Scrape.of(node);
    left = left.filter(([selector, by]) => !isBy(by, now.sum(selector) - before.sum(selector)));
    return left.length === 0;
  };
  const told = ([selector, by]: (typeof left)[number]) =>
    `${selector} to move (${by}) from ${before.sum(selector)}, where it is ${now.sum(selector)}`;
  await until(isDone, {
    deadlineMs: 30_000,
    describe: () => `${left.map(told).join(", ")}; the agent said: ${gated.agent.log}`,
  });
  for (const selector of Object.keys(expected)) moved.add(familyOf(selector));
}

function isBy(by: Move, delta: number): boolean {
  if (by === "up") return delta > 0;
  if (by === "down") return delta < 0;
  return by === "either way" ? delta !== 0 : delta === by;
}

async function serve(name: string, spec: Parameters<Cluster["api"]["createService"]>[1]) {
  const created = await cluster.api.createService(name, spec);
  addresses[name] = created.spec?.clusterIP ?? "";
  return created;
}

const to = (name: string, protocol: "tcp" | "udp" = "tcp") => ({
  protocol,
  address: addresses[name] ?? "",
  port: 80,
});

const ofService = (name: string, counter: string, protocol: "TCP" | "UDP" = "TCP"): string =>
  `sluice_service_${counter}_total{name="${name}",protocol="${protocol}",family="IPv4"}`;

const tcp80 = [{ port: 80, targetPort: 8080 }];
const selector = { app: "web" };

describe("the metrics of a running agent move (PF-11)", () => {
  it("when the API server is reached, and all is listed (KP-60)", async () => {
    const services = 'resource="services"';
    await until(async () => (await Scrape.of(node)).sum(`sluice_source_failing{${services}}`) > 0, {
      deadlineMs: 30_000,
      describe: () => `the agent to miss the API server; it said: ${gated.agent.log}`,
    });
    await moves(
      {
        sluice_ready: 1,
        sluice_readiness: "up",
        [`sluice_source_synced{${services}}`]: 1,
        [`sluice_source_failing{${services}}`]: -1,
        [`sluice_source_lists_total{${services}}`]: 1,
        [`sluice_source_objects{${services}}`]: 1,
        [`sluice_watch_age_seconds{${services}}`]: "up",
        'kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family="IPv6"}': 1,
        'kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"}': "up",
        'kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv4"}': "up",
      },
      () => gated.gate.open(),
    );
  });

  it("when a Service is programmed (KP-60)", async () => {
    await moves(
      {
        'sluice_objects{kind="services"}': 4,
        'sluice_map_entries{map="services"}': 4,
        'sluice_map_writes_total{map="backends"}': "up",
        sluice_publish_latency_seconds_count: "up",
        'kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"}': "up",
        'kubeproxy_sync_partial_proxy_rules_duration_seconds_count{ip_family="IPv4"}': "up",
        kubeproxy_sync_proxy_rules_service_changes_total: "up",
        kubeproxy_sync_proxy_rules_endpoint_changes_total: "up",
      },
      async () => {
        await serve("web", {
          type: "NodePort",
          ipFamilyPolicy: "RequireDualStack",
          selector,
          ports: [
            { name: "tcp", port: 80, targetPort: 8080, nodePort: 30080 },
            { name: "udp", protocol: "UDP", port: 80, targetPort: 8080, nodePort: 30080 },
          ],
        });
        const ports = [{ port: 8080 }, { port: 8080, protocol: "UDP" as const }];
        web = await cluster.deployment("web", { replicas: 2, ports });
      },
    );
    await gated.agent.hasEndpoints("web", 2);
  });

  it("when clients connect, stay with a backend and are turned away (PF-48)", async () => {
    await serve("empty", { ports: tcp80 });
    await serve("sticky", { selector, ports: tcp80, sessionAffinity: "ClientIP" });
    await serve("ranged", {
      type: "LoadBalancer",
      selector,
      ports: tcp80,
      loadBalancerSourceRanges: ["198.51.100.0/24"],
    });
    await cluster.api.patchServiceStatus("ranged", {
      loadBalancer: { ingress: [{ ip: "203.0.113.9" }] },
    });
    addresses.balancer = "203.0.113.9";
    const isPublished = async () =>
      (await gated.agent.services()).some(({ frontends }) =>
        frontends.some(({ kind }) => kind === "LoadBalancer"),
      );
    await until(isPublished, { deadlineMs: 20_000, describe: "the balancer's address" });
    await gated.agent.hasEndpoints("sticky", 2);
    await moves(
      {
        [ofService("web", "connections")]: 3,
        [ofService("web", "datagrams", "UDP")]: 2,
        [ofService("empty", "refused")]: 1,
        [ofService("sticky", "affinity")]: 2,
        [ofService("ranged", "denied")]: 1,
      },
      async () => {
        await attempt(client, to("web"), { count: 3 });
        await attempt(client, to("web", "udp"), { count: 2, unconnected: true });
        await attempt(client, to("empty"));
        await attempt(client, to("sticky"), { count: 3 });
        await attempt(node, to("balancer"));
      },
    );
  });

  it("with traffic from outside, whose flows end, and with other proxies' rules (KP-81, KP-92, PF-41)", async () => {
    const fromOutside = async (protocol: "tcp" | "udp") =>
      expect(await attempt(outside, { protocol, address: node.ip4, port: 30080 })).toMatchObject([
        { ok: true },
      ]);
    await moves(
      {
        [ofService("web", "request_packets")]: "up",
        [ofService("web", "request_bytes")]: "up",
        [ofService("web", "reply_packets", "UDP")]: "up",
        [ofService("web", "reply_bytes", "UDP")]: "up",
        'sluice_packets_total{reason="new_flow"}': "up",
        'sluice_packet_bytes_total{reason="new_flow"}': "up",
        sluice_flows: "up",
        sluice_flow_sweep_seconds: "either way",
        sluice_audits_total: "up",
        sluice_flows_expired_total: "up",
        'sluice_foreign_proxy{evidence="nftables"}': 1,
        'sluice_foreign_proxy{evidence="ipvs"}': 1,
        'sluice_events_total{outcome="sent"}': "up",
      },
      async () => {
        await fromOutside("tcp");
        await fromOutside("udp");
        for (const [program, words] of [
          ["nft", "add table ip kube-proxy"],
          // A dummy device with kube-proxy, which not every kernel of the tests has.
          ["ip", "link add kube-ipvs0 type bridge"],
        ] as const) {
          const { code, stderr } = await node.run(program, words.split(" "), { cgroup: false });
          expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
        }
      },
    );
  });

  it("when there is no room, and when there is again (PF-08)", async () => {
    const ports = Array.from({ length: 70 }, (_, n) => ({ name: `p${n}`, port: 1000 + n }));
    const full = ["sluice_failures", "sluice_service_failing", "sluice_retries_pending"];
    const all = (by: "up" | "down") => Object.fromEntries(full.map((each) => [each, by]));
    await moves(all("up"), () => serve("crowd", { ports }));
    await moves(all("down"), () => cluster.api.deleteService("crowd"));
  });

  it("when a part of an object is left out, and when that has gone", async () => {
    const annotations = { "sluice.dev/algorithm": "best" };
    await moves({ sluice_source_problems: 1 }, () =>
      cluster.api.createService("odd", { ports: tcp80 }, { annotations }),
    );
    await moves({ sluice_source_problems: -1 }, () => cluster.api.deleteService("odd"));
  });

  it("when a UDP socket's backend goes (KP-70, PF-20)", async () => {
    const load = await startLoad(client, to("web", "udp"), { keep: true, gapUs: 10_000 });
    await until(() => load.attempts.some(({ ok }) => ok), {
      deadlineMs: 10_000,
      describe: "an answer",
    });
    // They answer on, so that the client does not give its socket up by itself.
    await moves({ sluice_stale_sockets_destroyed_total: "up" }, async () => {
      for (const pod of web.pods) await pod.setReady(false);
    });
    await load.stop();
  });

  it("when a probe asks (KP-41, KP-60)", async () => {
    const probe = (path: string) => node.run("curl", ["-sSf", `http://127.0.0.1:10256${path}`]);
    await moves(
      {
        'kubeproxy_proxy_healthz_total{code="200"}': 1,
        'kubeproxy_proxy_livez_total{code="200"}': 2,
      },
      async () => {
        const answers = [await probe("/healthz"), await probe("/livez"), await probe("/livez")];
        expect(answers.map(({ code }) => code)).toEqual([0, 0, 0]);
      },
    );
  });

  it("with the room that its settings give (PF-08)", async () => {
    const scrape = await Scrape.of(node);
    expect(scrape.sum('sluice_map_capacity{map="services"}')).toBe(64);
    expect(scrape.sum("sluice_flows_max")).toBe(8192);
    for (const each of ["sluice_map_capacity", "sluice_flows_max"]) moved.add(each);
  });

  it("by ten samples for each Service port and family, and by no others", async () => {
    const before = await Scrape.of(node);
    const ports = [1, 2, 3].map((n) => ({ name: `p${n}`, port: n }));
    await moves({ 'sluice_objects{kind="services"}': 6 }, () =>
      serve("wide", { ipFamilyPolicy: "RequireDualStack", ports }),
    );
    const after = await Scrape.of(node);
    const added = [...after.samples.keys()].filter((sample) => !before.samples.has(sample));
    const isOfWide = (sample: string) => sample.includes('name="wide"');
    expect(added.filter(isOfWide)).toHaveLength(60);
    // A packet may meet a device for the first time meanwhile.
    expect(added.filter((it) => !isOfWide(it) && !it.startsWith("sluice_packet"))).toEqual([]);
  });

  it("when a program is detached, and is attached again (PF-06)", async () => {
    const attached = async () => (await Scrape.of(node)).sum("sluice_program_attached");
    const before = await attached();
    const pin = join(gated.agent.pinPath, "links", "sluice_connect4");
    // The agent may have it back before anybody looks.
    const isSeen = async () => {
      using link = BpfLink.openPinned(pin);
      link.detach();
      return (await attached()) < before;
    };
    await moves(
      { sluice_programs_reattached_total: "up", sluice_probe_failures_total: "up" },
      async () => {
        await until(isSeen, { deadlineMs: 20_000, describe: "it to be seen" });
        moved.add("sluice_program_attached");
      },
    );
  });
});

const serving = "serve/metrics.test.ts";

/** Those that stand still above, or move too shortly to be scraped, and who sees them move. */
const elsewhere: Readonly<Record<string, readonly [file: string, test: string]>> = {
  kubeproxy_sync_proxy_rules_service_changes_pending: ["serve/observe.test.ts", "count as pending"],
  kubeproxy_sync_proxy_rules_endpoint_changes_pending: [
    "serve/observe.test.ts",
    "count as pending",
  ],
  kubeproxy_network_programming_duration_seconds: [
    "e2e/observed.test.ts",
    "measures from the controller's change time to the kernel",
  ],
  kubeproxy_sync_proxy_rules_no_local_endpoints_total: [
    "e2e/observed.test.ts",
    "counts Services that a Local policy leaves without an endpoint here",
  ],
  sluice_audit_repairs_total: [
    "datapath/audit.test.ts",
    "serves a Service again whose slice was cleared",
  ],
  sluice_probe_success: ["e2e/probe.test.ts", "is seen by connections of IPv%i at %s, and put out"],
  sluice_source_reconnects_total: [serving, 'sluice_source_reconnects_total{resource="services"}'],
  sluice_service_unremembered_total: [
    "datapath/unremembered.test.ts",
    "is connected over TCP all the same, sees its backend, and is counted",
  ],
  // Of the build, the kernel and the settings: other agents have others.
  sluice_build_info: [serving, "sluice_build_info"],
  sluice_feature_enabled: [serving, "sluice_feature_enabled"],
  sluice_map_memory_bytes: [serving, "sluice_map_memory_bytes"],
};

describe("every metric of a running agent", () => {
  it("is seen to move by a test (PF-11)", async () => {
    const { families } = await Scrape.of(node);
    expect(families.filter((each) => !moved.has(each)).toSorted()).toEqual(
      Object.keys(elsewhere).toSorted(),
    );
    for (const [file, name] of Object.values(elsewhere)) {
      expect(readFileSync(join(import.meta.dirname, "..", file), "utf8")).toContain(name);
    }
  });
});
