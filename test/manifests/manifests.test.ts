import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import type { AgentConfig } from "../../agent/config/settings.ts";
import manifest from "../../package.json" with { type: "json" };
import { run } from "../cli/fixture.ts";
import {
  clusterRole,
  configMap,
  container,
  daemonSet,
  kustomization,
  manifests,
  podSpec,
  read,
} from "./objects.ts";

/** What kubelet and the API server would put in place of the references. */
const node = "worker-1";
const variables = (server: string): Record<string, string> =>
  Object.fromEntries(
    container.env!.map(({ name, valueFrom }) => {
      if (valueFrom?.fieldRef?.fieldPath === "spec.nodeName") return [name, node];
      const { name: map, key } = valueFrom!.configMapKeyRef!;
      expect(map).toBe(configMap.metadata?.name);
      return [name, { ...configMap.data, server }[key]!];
    }),
  );

/** Runs the container's command with the agent's real settings, and gives what it would run with. */
async function start(server: string) {
  const started: AgentConfig[] = [];
  const outcome = await run(container.args!.join(" "), {
    env: variables(server),
    runAgent: async (config) => {
      started.push(config);
      return 0;
    },
  });
  return { ...outcome, config: started[0] };
}

const mountOf = (path: string) =>
  container
    .volumeMounts!.filter(({ mountPath }) => `${path}/`.startsWith(`${mountPath}/`))
    .map(({ name, mountPath, ...how }) => ({
      mountPath,
      hostPath: podSpec.volumes!.find((volume) => volume.name === name)?.hostPath?.path,
      ...how,
    }));

describe("the manifests", () => {
  it("are a plain list, which is applied as it stands", () => {
    expect(Object.keys(kustomization).toSorted()).toEqual(["apiVersion", "kind", "resources"]);
    expect(manifests.map(({ object }) => `${object.kind} ${object.metadata?.name}`)).toEqual([
      "ServiceAccount sluice",
      "ClusterRole sluice",
      "ClusterRoleBinding sluice",
      "ConfigMap sluice",
      "DaemonSet sluice",
    ]);
  });

  it("grant what kube-proxy's role grants of Services, slices, ServiceCIDRs, Nodes and Events, and nothing more (KP-01)", () => {
    expect(clusterRole.rules).toEqual([
      { apiGroups: [""], resources: ["services"], verbs: ["list", "watch"] },
      { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] },
      { apiGroups: ["networking.k8s.io"], resources: ["servicecidrs"], verbs: ["list", "watch"] },
      { apiGroups: [""], resources: ["nodes"], verbs: ["get", "list", "watch"] },
      {
        apiGroups: ["", "events.k8s.io"],
        resources: ["events"],
        verbs: ["create", "patch", "update"],
      },
    ]);
  });

  it("name the image of this version", () => {
    const images = [...podSpec.initContainers!, container].map(({ image }) => image);
    expect(new Set(images)).toEqual(new Set([`sluice:${manifest.version}`]));
  });
});

describe("the pages about them", () => {
  const pages = ["manifests/README.md", "kind/README.md", "kind/install.sh"];
  const commands = pages.flatMap((page) =>
    [...read(page).matchAll(/(?:`|-- )sluice ([a-z]+(?: [a-z]+)?)/g)].map(([, words]) => words!),
  );

  it("have commands that the image's command knows", async () => {
    expect(new Set(commands)).toEqual(new Set(["status", "agent", "cleanup", "service list"]));
    for (const words of commands) {
      const { code, out } = await run(`${words} --help`);
      expect(code).toBe(0);
      expect(out).toContain(`Usage: sluice ${words}`);
    }
  });

  it("tell each capability that the pod has", () => {
    const told = [...read("manifests/README.md").matchAll(/^\| ([A-Z_, ]+) \|/gm)];
    const added = container.securityContext!.capabilities!.add!;
    expect(told.flatMap(([, names]) => names!.split(", ")).toSorted()).toEqual(
      [...added, "SYS_RESOURCE"].toSorted(),
    );
  });
});

describe("the agent's pod", () => {
  it("is on every node, whatever its taints, in the node's network, and goes last (KP-51)", () => {
    expect(podSpec).toMatchObject({
      hostNetwork: true,
      priorityClassName: "system-node-critical",
      tolerations: [{ operator: "Exists" }],
      dnsPolicy: "Default",
    });
    expect(podSpec.hostPID).toBeUndefined();
    expect(daemonSet.metadata?.namespace).toBe("kube-system");
  });

  it("is not privileged", () => {
    for (const { securityContext } of [...podSpec.initContainers!, container]) {
      expect(securityContext).toMatchObject({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        seccompProfile: { type: "RuntimeDefault" },
        capabilities: { drop: ["ALL"] },
      });
      expect(securityContext?.privileged).toBeUndefined();
    }
    expect(podSpec.initContainers![0]!.securityContext?.capabilities?.add).toBeUndefined();
    expect(container.securityContext?.capabilities?.add).toEqual([
      "BPF",
      "NET_ADMIN",
      "PERFMON",
      "SYS_ADMIN",
    ]);
  });

  it("starts the agent with settings that it knows: the Node's name and the server among them", async () => {
    const { code, err, config } = await start("https://10.0.0.1:6443");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(config).toMatchObject({
      source: { kind: "kubernetes" },
      nodeName: node,
      server: "https://10.0.0.1:6443",
      kubeconfig: undefined,
      cgroupPath: "/host/cgroup",
      pinPath: "/sys/fs/bpf/sluice",
      socketPath: "/run/sluice/sluice.sock",
    });
  });

  it("says what is missing until somebody fills in the API server's address", async () => {
    expect(await start(configMap.data!.server!)).toMatchObject({
      code: 2,
      config: undefined,
      err: 'error: SLUICE_SERVER: "" is not valid; use the URL of an API server, such as https://10.0.0.1:6443\n',
    });
  });

  it("has of the node what the settings name: pins, socket, cgroups, network namespaces", async () => {
    const { config } = await start("https://10.0.0.1:6443");
    expect(mountOf(config!.pinPath)).toEqual([
      { mountPath: "/sys/fs/bpf", hostPath: "/sys/fs/bpf" },
    ]);
    expect(mountOf(dirname(config!.socketPath))).toEqual([
      { mountPath: "/run/sluice", hostPath: "/run/sluice" },
    ]);
    expect(mountOf(config!.cgroupPath!)).toEqual([
      { mountPath: "/host/cgroup", hostPath: "/sys/fs/cgroup", readOnly: true },
    ]);
    expect(mountOf("/run/netns")).toEqual([
      {
        mountPath: "/run/netns",
        hostPath: "/run/netns",
        mountPropagation: "HostToContainer",
        readOnly: true,
      },
    ]);
  });

  it("is probed at the port where the agent answers, on whatever address the node has (KP-41)", async () => {
    const { config } = await start("https://10.0.0.1:6443");
    expect(config!.healthzBindAddress).toEqual({ host: "", port: 10256 });
    expect(container.ports).toEqual([{ name: "healthz", containerPort: 10256 }]);
    expect(container.livenessProbe?.httpGet).toEqual({ path: "/livez", port: "healthz" });
    expect(container.readinessProbe?.httpGet).toEqual({ path: "/readyz", port: "healthz" });
  });
});
