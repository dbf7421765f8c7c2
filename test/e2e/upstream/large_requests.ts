import { expect } from "vitest";
import { bytes, sha256 } from "../../harness/bytes.ts";
import { attempt, type Site, type Target } from "../../harness/load.ts";
import {
  authorityOf,
  download,
  type RunningSite,
  serveHttp,
  upload,
} from "../../harness/transfer.ts";
import { until } from "../../harness/until.ts";
import type { Stage } from "./stage.ts";
import { Subject } from "./subject.ts";

/** More than a packet takes, as upstream has it. */
const length = 2_000;

const web = { name: "http", protocol: "TCP", port: 80, targetPort: 8084 };

/** An HTTP Service of both families; `name` is also that of its pods. */
export async function serveWeb(stage: Stage, name: string, hostNetwork = false): Promise<Subject> {
  const pods = { replicas: 2, ports: [], hostNetwork };
  const subject = await Subject.forTest(stage, name, { ports: [web] }, pods);
  await Promise.all(subject.pods.pods.map(({ pod }) => serveHttp(pod, web.targetPort)));
  for (const agent of Object.values(stage.agents)) await agent.hasEndpoints(name, 2);
  return subject;
}

/** A large request, and then a large response, arrive as they were sent. */
export async function exchangesOverHttp(from: RunningSite, { address, port }: Target) {
  const expected = await sha256(bytes(length));
  const authority = authorityOf(address, port);
  await until(() => upload(from, authority, length), {
    deadlineMs: 20_000,
    describe: `${authority} to take a request`,
  });
  expect(await upload(from, authority, length)).toBe(expected);
  expect(await download(from, authority, length)).toBe(expected);
}

/** Datagrams in fragments arrive, and come back, as they were sent. */
export async function exchangesOverUdp(from: Site, way: Target): Promise<void> {
  const made = await attempt(from, way, { size: length, count: 10, timeoutMs: 5_000 });
  expect(made.map(({ ok }) => ok)).toEqual(Array.from({ length: 10 }, () => true));
}
