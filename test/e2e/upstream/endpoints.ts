import { it } from "vitest";
import { isPublished, isReachable, isRefused } from "./reachability.ts";
import type { Scenes, Stage } from "./stage.ts";

/** Pods come and go, as do ports; names of ports are told to numbers by each pod for itself. */
export const endpoints: Scenes = (stage) => {
  it("[sig-network] Services should serve a basic endpoint from pods [Conformance] (KP-14, KP-20)", () =>
    serveBasicEndpoint(stage()));
  it("[sig-network] Services should serve multiport endpoints from pods [Conformance] (KP-03, KP-14, KP-33)", () =>
    serveMultiportEndpoints(stage()));
  it("[sig-network] Services should be updated after adding or deleting ports (KP-31, KP-33, KP-34)", () =>
    updatePorts(stage()));
  it("[sig-network] Services should support named targetPorts that resolve to different ports on different endpoints (KP-03, KP-33)", () =>
    resolveNamedPorts(stage()));
  it("[sig-network] Services should connect to the ports exposed by restartable init containers (KP-03)", () =>
    connectToSidecar(stage(), "sidecar-with-port", 8080));
  it("[sig-network] Services should connect to the named ports exposed by restartable init containers (KP-03, KP-33)", () =>
    connectToSidecar(stage(), "sidecar-with-named-port", "http-sidecar"));
};

const ipFamilyPolicy = "RequireDualStack";

async function serveBasicEndpoint(stage: Stage): Promise<void> {
  const { api } = stage.cluster;
  const name = "endpoint-test2";
  const selector = { testid: name };
  const ports = [{ port: 80 }];
  const service = await api.createService(name, { ipFamilyPolicy, selector, ports });
  await api.waitForReady(name, []);
  await isRefused(stage, service);

  const one = await stage.serve("a", { name: "basic-1", labels: selector, ports });
  await isReachable(stage, service, ["basic-1"]);
  const two = await stage.serve("b", { name: "basic-2", labels: selector, ports });
  await isReachable(stage, service, ["basic-1", "basic-2"]);

  await one.remove();
  await isPublished(stage, name, 1);
  await isReachable(stage, service, ["basic-2"]);
  await two.remove();
  await isPublished(stage, name, 0);
  await isRefused(stage, service);
}

async function serveMultiportEndpoints(stage: Stage): Promise<void> {
  const { api } = stage.cluster;
  const name = "multi-endpoint-test";
  const labels = { testid: name };
  const service = await api.createService(name, {
    ipFamilyPolicy,
    selector: labels,
    ports: [
      { name: "portname1", port: 80, targetPort: "svc1" },
      { name: "portname2", port: 81, targetPort: "svc2" },
    ],
  });
  await api.waitForReady(name, []);
  await isRefused(stage, service);

  const svc1 = [{ name: "svc1", port: 100 }];
  const one = await stage.serve("a", { name: "multiport-1", labels, ports: svc1 });
  await isReachable(stage, service, ["multiport-1"], "portname1");
  await isRefused(stage, service, "portname2");
  const svc2 = [{ name: "svc2", port: 101 }];
  const two = await stage.serve("b", { name: "multiport-2", labels, ports: svc2 });
  await isReachable(stage, service, ["multiport-1"], "portname1");
  await isReachable(stage, service, ["multiport-2"], "portname2");

  await one.remove();
  await isPublished(stage, name, 1);
  await isRefused(stage, service, "portname1");
  await isReachable(stage, service, ["multiport-2"], "portname2");
  await two.remove();
  await isPublished(stage, name, 0);
  await isRefused(stage, service);
}

async function updatePorts(stage: Stage): Promise<void> {
  const { api } = stage.cluster;
  const name = "edit-port-test";
  const labels = { testid: name };
  const first = { name: "portname1", port: 80, targetPort: "svc1" };
  const second = { name: "portname2", port: 81, targetPort: "svc2" };
  const spec = { ipFamilyPolicy, selector: labels, ports: [first] };
  const before = await api.createService(name, spec);
  await api.waitForReady(name, []);
  const svc1 = [{ name: "svc1", port: 100 }];
  await stage.serve("a", { name: "edit-port-1", labels, ports: svc1 });
  await isReachable(stage, before, ["edit-port-1"]);

  const between = await api.patchService(name, { spec: { ports: [first, second] } });
  const svc2 = [{ name: "svc2", port: 101 }];
  await stage.serve("b", { name: "edit-port-2", labels, ports: svc2 });
  await isReachable(stage, between, ["edit-port-1"], "portname1");
  await isReachable(stage, between, ["edit-port-2"], "portname2");

  const after = await api.patchService(name, { spec: { ports: [first] } });
  await isReachable(stage, after, ["edit-port-1"]);
  await isRefused(stage, between, "portname2");
}

async function resolveNamedPorts(stage: Stage): Promise<void> {
  const name = "mutable-named-port";
  const labels = { testid: name };
  const old = [{ name: "mutable-port", port: 8080 }];
  const modified = [{ name: "mutable-port", port: 8000 }];
  const zero = await stage.serve("a", { name: "named-0", labels, ports: old });
  const one = await stage.serve("b", { name: "named-1", labels, ports: old });
  const service = await stage.cluster.api.createService(name, {
    ipFamilyPolicy,
    selector: labels,
    ports: [{ name, port: 8001, targetPort: "mutable-port" }],
  });
  await isReachable(stage, service, ["named-0", "named-1"]);

  await zero.remove();
  await stage.serve("a", { name: "named-2", labels, ports: modified });
  await isPublished(stage, name, 2);
  await isReachable(stage, service, ["named-1", "named-2"]);

  await one.remove();
  await stage.serve("b", { name: "named-3", labels, ports: modified });
  await isPublished(stage, name, 2);
  await isReachable(stage, service, ["named-2", "named-3"]);
}

async function connectToSidecar(
  stage: Stage,
  name: string,
  targetPort: number | string,
): Promise<void> {
  const labels = { testid: name };
  const ports = [{ name: "http-sidecar", port: 8080 }];
  await stage.serve("a", { name: `${name}-0`, labels, ports, sidecar: true });
  const service = await stage.cluster.api.createService(name, {
    ipFamilyPolicy,
    selector: labels,
    ports: [{ name: "http-sidecar", port: 8080, targetPort }],
  });
  await isReachable(stage, service, [`${name}-0`]);
}
