import type { CompileProblem, CompileProblemCode } from "../compile/problem.ts";
import { type AgentEvent, type EventObject, nodeObject, serviceObject } from "./event.ts";

/** What keeps a Service port from being programmed. */
interface Failure {
  /** NAMESPACE/NAME:PORTNAME/PROTOCOL/FAMILY. */
  readonly key: string;
  readonly code: "full" | "conflict" | "write";
  readonly message: string;
}

const failureReasons: Readonly<Record<Failure["code"], string>> = {
  full: "ServiceMapFull",
  conflict: "ServiceAddressConflict",
  write: "FailedToProgramService",
};

/** The message names the Service port, since one Service has many. Undefined: it is of no Service. */
export function failureEvent({ key, code, message }: Failure): AgentEvent | undefined {
  const [, namespace, name, port] = /^([^/:]+)\/([^/:]+):(.*)$/.exec(key) ?? [];
  if (namespace === undefined || name === undefined) return undefined;
  return {
    regarding: serviceObject(namespace, name),
    reason: failureReasons[code],
    action: "ProgramService",
    note: `port ${port} is not programmed: ${message}`,
  };
}

/** kube-proxy has no events for these: it logs, or drops without a word. */
const problemReasons: Readonly<Record<CompileProblemCode, string>> = {
  "no-ports": "InvalidServiceConfiguration",
  "invalid-port": "InvalidServiceConfiguration",
  "duplicate-port": "InvalidServiceConfiguration",
  "invalid-cluster-ip": "InvalidServiceConfiguration",
  "invalid-external-ip": "InvalidServiceConfiguration",
  "invalid-source-range": "InvalidSourceRange",
  "invalid-endpoint": "InvalidEndpoint",
};

/** Undefined: the problem is of no object of the API. */
export function problemEvent({ code, target, message }: CompileProblem): AgentEvent | undefined {
  const regarding = objectOf(target);
  const reason = problemReasons[code];
  return regarding && { regarding, reason, action: "ProgramService", note: message };
}

/** "Service default/web" */
function objectOf(target: string): EventObject | undefined {
  const [, kind, namespace, name] = /^(\w+) ([^/ ]+)\/([^/ ]+)$/.exec(target) ?? [];
  if (namespace === undefined || name === undefined) return undefined;
  if (kind === "Service") return serviceObject(namespace, name);
  if (kind !== "EndpointSlice") return undefined;
  return { apiVersion: "discovery.k8s.io/v1", kind, namespace, name };
}

/** As kube-proxy names it and what it was doing (KP-40). */
export const healthCheckEvent = (
  nodeName: string,
  { namespace, name, message }: { namespace: string; name: string; message: string },
): AgentEvent => ({
  regarding: serviceObject(namespace, name),
  reason: "FailedToStartServiceHealthcheck",
  action: "Listen",
  note: `node ${nodeName}: ${message}`,
});

/** kube-proxy itself looks for no other (PF-41). */
export const foreignProxyEvent = (nodeName: string, what: string): AgentEvent => ({
  regarding: nodeObject(nodeName),
  reason: "SecondServiceProxyFound",
  action: "CheckNode",
  note: `sluice is not alone: ${what}. Remove the other proxy and what it has left ("kube-proxy --cleanup"); sluice works on`,
});

const portReasons = {
  healthz_port: "FailedToStartProxierHealthcheck",
  metrics_port: "FailedToStartMetricServer",
} as const;

/** With kube-proxy's reasons (PF-41). */
export const takenPortEvent = (
  nodeName: string,
  port: keyof typeof portReasons,
  what: string,
): AgentEvent => ({
  regarding: nodeObject(nodeName),
  reason: portReasons[port],
  action: "Listen",
  note: `${what} keeps sluice from listening there, perhaps another service proxy; it is tried again until it is free`,
});

/** kube-proxy does not look whether its rules work (PF-06). */
export const probeEvent = (nodeName: string, reason: string): AgentEvent => ({
  regarding: nodeObject(nodeName),
  reason: "ServiceProbeFailed",
  action: "Probe",
  note: `Services are not served as they should be: ${reason}. sluice attaches its programs again; find out who detached them`,
});
