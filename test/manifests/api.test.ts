import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AuthorizationV1Api,
  RbacAuthorizationV1Api,
  type V1ClusterRole,
} from "@kubernetes/client-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { reaches, waysTo } from "../e2e/reach.ts";
import type { TestAgent } from "../harness/agent.ts";
import { Cluster } from "../harness/cluster.ts";
import { ownPrefix } from "../harness/leftovers.ts";
import type { Target } from "../harness/load.ts";
import type { TestNode } from "../harness/node.ts";
import type { TestPod } from "../harness/pod.ts";
import { until } from "../harness/until.ts";
import { apply } from "./apply.ts";
import { Audit } from "./audit.ts";
import { clusterRole, manifests, podSpec } from "./objects.ts";
import { preparePodAgent } from "./pod_agent.ts";

const user = "system:serviceaccount:kube-system:sluice";

let folder: string;
let audit: Audit;
let cluster: Cluster;
let node: TestNode;
let agent: TestAgent;
let client: TestPod;
let ways: readonly Target[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), `${ownPrefix}audit-`));
  audit = await Audit.of(user, folder);
  cluster = await Cluster.start({ apiServerFlags: audit.flags });
  node = await cluster.addNode("a");
});
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const errors = async () =>
  (await agent.status()).source.resources.map(({ resource, error }) => [resource, error]);

describe("the manifests on a real API server", () => {
  it("are taken whole, every field of them known", async () => {
    for (const { text, object } of manifests) {
      const { status, body } = await apply(cluster.api.config, text);
      expect({ status, message: body.message }).toEqual({ status: 201, message: undefined });
      expect(body).toMatchObject({ kind: object.kind, metadata: { name: "sluice" } });
    }
  });

  it("would be refused with a field that nobody knows", async () => {
    const { text } = manifests.find(({ object }) => object.kind === "DaemonSet")!;
    const misspelt = text.replace("hostNetwork: true", "hostNetworking: true");
    const { status, body } = await apply(cluster.api.config, misspelt);
    expect(status).not.toBe(200);
    expect(body.message).toContain("hostNetworking: field not declared in schema");
  });

  it("make a pod that is admitted, before all that is not critical to the node (KP-51)", async () => {
    const pod = await cluster.api.core.createNamespacedPod({
      namespace: "kube-system",
      dryRun: "All",
      fieldValidation: "Strict",
      body: { metadata: { name: "sluice-a" }, spec: { ...podSpec, nodeName: "a" } },
    });
    expect(pod.spec).toMatchObject({ priority: 2_000_001_000, hostNetwork: true });
  });

  it("grant no verb that kube-proxy's own role does not (KP-01)", async () => {
    const rbac = cluster.api.config.makeApiClient(RbacAuthorizationV1Api);
    const granted = grantsOf(await rbac.readClusterRole({ name: "system:node-proxier" }));
    const ours = grantsOf(clusterRole);
    expect(ours.filter((grant) => !granted.includes(grant))).toEqual([]);
    expect(granted.filter((grant) => !ours.includes(grant))).toEqual([
      "list /endpoints",
      "watch /endpoints",
    ]);
  });
});

describe("the agent under its ServiceAccount", () => {
  it("reads all that it asks for, and serves it with the pod's capabilities (KP-01)", async () => {
    agent = await preparePodAgent(cluster, node);
    await agent.begin();
    const service = await cluster.api.createService("web", {
      selector: { app: "web" },
      ports: [{ port: 80, targetPort: 8080 }],
      ipFamilyPolicy: "RequireDualStack",
    });
    await cluster.deployment("web", { replicas: 1, ports: [{ port: 8080 }] });
    ways = waysTo(service.spec?.clusterIPs ?? [], 80).filter((way) => way.protocol === "tcp");
    client = await node.makePod("client");
    await reaches(client, ways, "web-0");
    // BPF, PERFMON, SYS_ADMIN and NET_ADMIN: bits 39, 38, 21 and 12 (capability.h).
    const own = await readFile(`/proc/${agent.pid}/status`, "utf8");
    expect(own).toMatch(/^CapEff:\t000000c000201000$/m);
    expect(own).toMatch(/^CapBnd:\t000000c000201000$/m);
    // Whatever a capability is missing for says its name.
    expect(`${JSON.stringify(await agent.status())} ${agent.log}`).not.toContain("CAP_");
    const { datapath, problems, source } = await agent.status();
    expect(source.target).toBe(cluster.controlPlane.url);
    expect(problems).toEqual([]);
    expect(datapath.features.filter(({ state }) => state === "off")).toEqual([]);
    expect(datapath.programs.filter(({ attached }) => !attached)).toEqual([]);
  });

  it("is ready, as the pod's readiness probe asks it (PF-06)", async () => {
    const failing = async () =>
      (await agent.status()).readiness.filter(({ healthy }) => !healthy).map(({ name }) => name);
    await until(async () => (await failing()).length === 0, {
      deadlineMs: 15_000,
      describe: () => `every check to be passed; the agent said: ${agent.log}`,
    });
    expect((await agent.status()).probe).toMatchObject({ state: "ok", reason: null });
  });

  it("has asked for nothing that it may not have", async () => {
    const all = ["services", "endpointslices", "nodes", "servicecidrs"].flatMap((resource) => [
      `list ${resource} 200`,
      `watch ${resource} 200`,
    ]);
    // The cluster is quiet, so that a sign of life is asked for (PF-03).
    const wanted = [...all, "get /livez 200"];
    const requests = await until(
      async () => {
        const asked = await audit.requests();
        return wanted.every((request) => asked.includes(request)) && asked;
      },
      { deadlineMs: 15_000, describe: "lists and watches of everything to be in the audit log" },
    );
    expect(requests.filter((request) => !request.endsWith(" 200"))).toEqual([]);
    expect(await errors()).toEqual([
      ["services", null],
      ["endpointslices", null],
      ["nodes", null],
      ["servicecidrs", null],
      ["foreignservices", null],
    ]);
  });
});

describe("a role that lacks a verb", () => {
  const denied = (verb: string, group: string, resource: string, own: string) =>
    `cannot ${verb} ${resource}: ${own} is forbidden: User "${user}" cannot ${verb} resource ` +
    `"${resource}" in API group "${group}" at the cluster scope`;
  const remedy =
    /; bind .* to a ClusterRole that may get, list and watch services, nodes, endpointslices/;

  it("is named in the status and the log, with what mends it, and what stood is served on (PF-02)", async () => {
    await agent.stop();
    await applyRole(without("list", "services"), without("watch", "endpointslices"));
    await isAllowed(false, "list", "", "services");
    await isAllowed(false, "watch", "discovery.k8s.io", "endpointslices");
    agent.launch();
    const wanted = [
      denied("list", "", "services", "services"),
      denied("watch", "discovery.k8s.io", "endpointslices", "endpointslices.discovery.k8s.io"),
    ];
    await until(async () => (await errors()).filter(([, error]) => error !== null).length === 3, {
      deadlineMs: 20_000,
      describe: () => `three refusals to be seen; the agent said: ${agent.log}`,
    });
    const { stdout } = await agent.run("status");
    for (const message of wanted) {
      expect(stdout).toContain(message);
      expect(agent.log.replaceAll('\\"', '"')).toContain(message);
    }
    expect(stdout).toMatch(remedy);
    expect((await agent.status()).sync.ready).toBe(false);
    await reaches(client, ways, "web-0");
  });

  it("is enough as soon as the verb is granted", async () => {
    await applyRole();
    await until(
      async () =>
        (await agent.status()).sync.ready && (await errors()).every(([, error]) => error === null),
      { deadlineMs: 30_000, describe: () => `the agent to recover; it said: ${agent.log}` },
    );
  });

  it("costs a warning where that is to make events, and nothing else (KP-01, PF-41)", async () => {
    await applyRole(without("create", "events"));
    await isAllowed(false, "create", "events.k8s.io", "events");
    const { code } = await node.run("nft", ["add table ip kube-proxy"], { cgroup: false });
    expect(code).toBe(0);
    await until(() => agent.log.includes("no event about Node a was made"), {
      deadlineMs: 15_000,
      describe: () => `the refusal of an event; the agent said: ${agent.log}`,
    });
    expect(agent.log.replaceAll('\\"', '"')).toContain(
      `cannot create events: events.events.k8s.io is forbidden: User "${user}" cannot create resource "events" in API group "events.k8s.io" in the namespace "default"`,
    );
    expect((await agent.status()).events).toEqual({ sent: 0, suppressed: 0, failed: 1 });
    await reaches(client, ways, "web-0");
  });
});

const grantsOf = ({ rules }: V1ClusterRole): readonly string[] =>
  (rules ?? []).flatMap(({ apiGroups = [], resources = [], verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`)),
    ),
  );

type RoleChange = (role: V1ClusterRole) => V1ClusterRole;

const without =
  (verb: string, resource: string): RoleChange =>
  (role) => ({
    ...role,
    rules: role.rules!.map((rule) =>
      rule.resources?.includes(resource)
        ? { ...rule, verbs: rule.verbs.filter((each) => each !== verb) }
        : rule,
    ),
  });

/** The shipped role, changed so. */
async function applyRole(...changes: readonly RoleChange[]): Promise<void> {
  const role = changes.reduce((changed, change) => change(changed), clusterRole);
  expect(await apply(cluster.api.config, JSON.stringify(role))).toMatchObject({ status: 200 });
}

/** Resolves once the API server judges so: it learns of roles by a watch of its own. */
async function isAllowed(allowed: boolean, verb: string, group: string, resource: string) {
  const authorization = cluster.api.config.makeApiClient(AuthorizationV1Api);
  const body = { spec: { user, resourceAttributes: { verb, group, resource } } };
  await until(
    async () =>
      (await authorization.createSubjectAccessReview({ body })).status?.allowed === allowed,
    { deadlineMs: 10_000, describe: `${verb} ${resource} to be ${allowed ? "" : "not "}allowed` },
  );
}
