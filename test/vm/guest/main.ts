import { once } from "node:events";
import { release } from "node:os";
import { until } from "../../harness/until.ts";
import { agentStatus, cleanUp, startAgent } from "./agent.ts";
import { startBackend } from "./backends.ts";
import { askAgain, askAll, askConnectedUdp, askTcp, connectUdp, nextError } from "./clients.ts";
import { BACKENDS, EMPTY, MOVING, publish, publishNode, SERVED } from "./manifests.ts";
import { REPORT_MARK, type Report } from "./report.ts";

/** Runs inside the guest: programs Services through the agent and reports what clients see. */
const FOLDER = "/tmp/manifests";
const [first, second] = BACKENDS;

for (const backend of BACKENDS) await startBackend(backend);
const before = await askTcp(SERVED.ip4);
publishNode(FOLDER, "guest");
publish(FOLDER, "served", SERVED, [first]);
publish(FOLDER, "empty", EMPTY, []);
publish(FOLDER, "moving", MOVING, [first]);
const agent = await startAgent(FOLDER);
const served = await askAll(SERVED);
const refused = await askAll(EMPTY);

const kept = await connectUdp(SERVED.ip6);
await askAgain(kept);
const held = await connectUdp(MOVING.ip4);
await askAgain(held);
const heldError = nextError(held, 10_000);
publish(FOLDER, "moving", MOVING, [second]);
const moved = await until(
  async () => {
    const outcome = await askConnectedUdp(MOVING.ip4);
    return "backend" in outcome && outcome.backend === second.ip4 && outcome;
  },
  { deadlineMs: 10_000, describe: `${second.ip4} to answer` },
);
const staleSocketError = await heldError;
const keptSocket = await askAgain(kept);
const status = agentStatus();

agent.kill("SIGKILL");
await once(agent, "exit");
const unattended = await askTcp(SERVED.ip6);
const successor = await startAgent(FOLDER);
const adopted = agentStatus();
successor.kill("SIGTERM");
await once(successor, "exit");
cleanUp();
const afterwards = await askTcp(SERVED.ip4);

const report: Report = {
  kernel: release(),
  status,
  before,
  served,
  refused,
  staleSocketError,
  keptSocket,
  moved,
  unattended,
  adopted,
  afterwards,
};
console.log(`${REPORT_MARK}${JSON.stringify(report)}`);
process.exit(0);
