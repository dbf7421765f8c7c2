import { it } from "vitest";
import type { Site } from "../../harness/load.ts";
import { reaches } from "../reach.ts";
import type { Scenes, Stage } from "./stage.ts";
import { Subject, tcp } from "./subject.ts";

/** Policy Local inside the cluster, for pods and nodes; the server is on node "a". */
export const internalTrafficPolicy: Scenes = (stage) => {
  it("[sig-network] Services should respect internalTrafficPolicy=Local Pod to Pod (KP-10, KP-14)", async () => {
    const { pods } = stage();
    const subject = await Subject.forTest(stage(), "itp-pod", policy("Local"));
    await isKeptToItsNode(subject, [pods.a], [pods.b]);
  });

  it("[sig-network] Services should respect internalTrafficPolicy=Local Pod (hostNetwork: true) to Pod (KP-10, KP-14)", async () => {
    const { hostPods } = stage();
    const subject = await startAt(stage(), "itp-host", { port: 8000, targetPort: 8000 });
    await isKeptToItsNode(subject, [hostPods.a], [hostPods.b]);
  });

  it("[sig-network] Services should respect internalTrafficPolicy=Local Pod and Node, to Pod (hostNetwork: true) (KP-10, KP-14)", async () => {
    const { pods, hostPods } = stage();
    const subject = await startAt(stage(), "itp-to-host", { targetPort: 10_180 }, true);
    await isKeptToItsNode(subject, [pods.a], [pods.b]);
    await isKeptToItsNode(subject, [hostPods.a], [hostPods.b]);
  });
};

const policy = (internalTrafficPolicy: "Cluster" | "Local") => ({ internalTrafficPolicy });

const startAt = (
  stage: Stage,
  name: string,
  port: { readonly port?: number; readonly targetPort: number },
  hostNetwork = false,
): Promise<Subject> =>
  Subject.forTest(
    stage,
    name,
    { ...policy("Local"), ports: [{ ...tcp, ...port }] },
    { ports: [{ port: port.targetPort }], hostNetwork },
  );

/**
 * Clients on the server's node are answered by it, those elsewhere by nobody: also once the other
 * node is known to have heard of the server, which the other policy shows.
 */
async function isKeptToItsNode(
  subject: Subject,
  here: readonly Site[],
  elsewhere: readonly Site[],
): Promise<void> {
  const answer = async (clients: readonly Site[], ...outcome: readonly string[]) => {
    for (const client of clients) await reaches(client, subject.ways(), ...outcome);
  };
  await answer(here, ...subject.podNames);
  await answer(elsewhere, "ECONNREFUSED");
  await subject.update(policy("Cluster"));
  await answer(elsewhere, ...subject.podNames);
  await subject.update(policy("Local"));
  await answer(elsewhere, "ECONNREFUSED");
  await answer(here, ...subject.podNames);
}
