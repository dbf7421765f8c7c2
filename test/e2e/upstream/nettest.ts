import type { V1ServiceSpec } from "@kubernetes/client-node";
import { onTestFinished } from "vitest";
import type { Site, Target } from "../../harness/load.ts";
import { reaches } from "../reach.ts";
import type { Stage } from "./stage.ts";
import { Subject } from "./subject.ts";

/** HTTP is a TCP connection to whatever translates it. */
export type Dialled = "http" | "udp";

export interface NettestOptions {
  /** By which of the cluster's families it is asked; the other one it only has in dual stack. */
  readonly family: "primary" | "secondary";
  /** Whether the endpoints have the nodes' network. Default false. */
  readonly hostNetwork?: boolean;
}

const ports = [
  { name: "http", protocol: "TCP", port: 80, targetPort: 8083 },
  { name: "udp", protocol: "UDP", port: 90, targetPort: 8081 },
];
const podPorts = [{ port: 8083 }, { port: 8081, protocol: "UDP" }] as const;

/**
 * What upstream sets up for each of its granular checks: an endpoint on each node, a NodePort Service
 * in front of them and another one with session affinity.
 */
export class Nettest implements AsyncDisposable {
  readonly subject: Subject;
  readonly sticky: Subject;
  readonly #stage: Stage;
  readonly #family: number;

  private constructor(stage: Stage, family: number, subject: Subject, sticky: Subject) {
    this.subject = subject;
    this.sticky = sticky;
    this.#stage = stage;
    this.#family = family;
  }

  static async create(
    stage: Stage,
    name: string,
    { family, hostNetwork = false }: NettestOptions,
  ): Promise<Nettest> {
    const ipFamilyPolicy = family === "primary" ? "SingleStack" : "RequireDualStack";
    const spec: V1ServiceSpec = { type: "NodePort", ports, ipFamilyPolicy };
    const pods = { replicas: 2, ports: podPorts, hostNetwork };
    const subject = await Subject.create(stage, name, spec, pods);
    const affinity = { selector: { app: name }, sessionAffinity: "ClientIP" };
    const sticky = await Subject.create(
      stage,
      `${name}-sticky`,
      { ...spec, ...affinity },
      { replicas: 0 },
    );
    for (const each of [subject, sticky]) {
      for (const agent of Object.values(stage.agents)) await agent.hasEndpoints(each.name, 2);
    }
    return new Nettest(stage, family === "primary" ? 0 : 1, subject, sticky);
  }

  /** Makes one that goes when the running test is over. */
  static async forTest(...parts: Parameters<typeof Nettest.create>): Promise<Nettest> {
    const nettest = await Nettest.create(...parts);
    onTestFinished(() => nettest[Symbol.asyncDispose]());
    return nettest;
  }

  /** Endpoints that are left. */
  get endpoints(): readonly string[] {
    return this.subject.podNames;
  }

  clusterIP(protocol: Dialled, subject: Subject = this.subject): readonly Target[] {
    const addresses = subject.spec.clusterIPs?.slice(this.#family, this.#family + 1);
    return subject.ways(portIndex(protocol), addresses);
  }

  nodePorts(protocol: Dialled, subject: Subject = this.subject): readonly Target[] {
    return Object.values(this.#stage.nodes).flatMap((node) =>
      subject.nodePortWays(node, portIndex(protocol)).slice(this.#family, this.#family + 1),
    );
  }

  /** Resolves once each client reaches every endpoint, by the ClusterIP and by both NodePorts. */
  async dial(protocol: Dialled, ...clients: readonly Site[]): Promise<void> {
    const ways = [...this.clusterIP(protocol), ...this.nodePorts(protocol)];
    await Promise.all(clients.map((client) => reaches(client, ways, ...this.endpoints)));
  }

  /** Deletes the oldest endpoint, which serves until the agents lead to it no more. */
  async loseFirst(): Promise<void> {
    const left = this.endpoints.length - 1;
    await this.subject.pods.scale(left, async () => {
      for (const agent of Object.values(this.#stage.agents)) {
        await agent.hasEndpoints(this.subject.name, left);
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sticky[Symbol.asyncDispose]();
    await this.subject[Symbol.asyncDispose]();
  }
}

const portIndex = (protocol: Dialled): number => (protocol === "http" ? 0 : 1);
