import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { type Address, BACKEND_PORT } from "./manifests.ts";
import type { Outcome, SctpOutcomes } from "./report.ts";

/** Node has no SCTP sockets: test/harness/sctp.c has. */
const PROGRAM = "/sluice/bin/sctp";
const DEADLINE_MS = 5_000;
/** Of a request: many packets, which a veth takes as one that is yet to be cut (GSO). */
const BYTES = 200_000;

/** Answers at addresses that are there already, with its own and the client's. */
export const answerSctp = async ({ ip4, ip6 }: Address): Promise<void> => {
  for (const address of [ip4, ip6]) {
    const server = spawn(PROGRAM, ["serve", address, `${BACKEND_PORT}`], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [said] = await Promise.race([once(server.stdout, "data"), once(server, "exit")]);
    if (String(said) !== "ready\n") throw new Error(`no SCTP at ${address}: exit code ${said}`);
  }
};

/** One request over each family, from one address of the client's. */
export const askBySctp = async (
  from: Address,
  to: Address,
  port: number,
  deadlineMs = DEADLINE_MS,
): Promise<SctpOutcomes> => ({
  sctp4: await ask(from.ip4, to.ip4, port, deadlineMs),
  sctp6: await ask(from.ip6, to.ip6, port, deadlineMs),
});

const ask = async (from: string, to: string, port: number, ms: number): Promise<Outcome> => {
  const args = ["ask", from, to, `${port}`, `${BYTES}`, `${ms}`];
  const { stdout } = await promisify(execFile)(PROGRAM, args);
  return JSON.parse(stdout);
};
