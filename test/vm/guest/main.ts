import { once } from "node:events";
import { release } from "node:os";
import { until } from "../../harness/until.ts";
import { agentStatus, cleanUp, flowList, startAgent } from "./agent.ts";
import { startBackend } from "./backends.ts";
import {
  askAgain,
  askAll,
  askByPackets,
  askConnectedUdp,
  askTcp,
  connectUdp,
  nextError,
} from "./clients.ts";
import { Elsewhere } from "./elsewhere.ts";
import {
  BACKENDS,
  EMPTY,
  MOVING,
  NODE,
  NODE_NAME,
  OUTSIDE,
  POD,
  publish,
  publishNode,
  REMOTE,
  SERVED,
  SERVICE_PORT,
} from "./manifests.ts";
import { becomeNode, CLIENT } from "./network.ts";
import { REPORT_MARK, type Report, type SctpReport } from "./report.ts";
import { answerSctp, askBySctp } from "./sctp.ts";

/** Runs inside the guest: programs Services through the agent and reports what clients see. */
const FOLDER = "/tmp/manifests";
const [first, second] = BACKENDS;

becomeNode();
for (const backend of BACKENDS) await startBackend(backend);
await answerSctp(first);
const before = await askTcp(SERVED.ip4);
publishNode(FOLDER);
publish(FOLDER, "served", SERVED, [first]);
publish(FOLDER, "empty", EMPTY, []);
publish(FOLDER, "moving", MOVING, [first]);
publish(FOLDER, "pod", OUTSIDE.pod, [POD]);
publish(FOLDER, "remote", OUTSIDE.remote, [REMOTE]);
publish(FOLDER, "host", OUTSIDE.host, [{ ...first, nodeName: NODE_NAME }]);
publish(FOLDER, "nobody", OUTSIDE.nobody, []);
const [agent, machine, pod] = await Promise.all([
  startAgent(FOLDER),
  Elsewhere.start("outside", REMOTE),
  Elsewhere.start("pod", POD),
]);
const served = await askAll(SERVED);
const refused = await askAll(EMPTY);
const unserved = await askTcp(SERVED.ip4, SERVICE_PORT + 1);
const loopback = await askByPackets({ ip4: "127.0.0.1", ip6: "::1" }, OUTSIDE.pod.nodePort);
const outside = {
  pod: await machine.ask(NODE, OUTSIDE.pod.nodePort),
  remote: await machine.ask(NODE, OUTSIDE.remote.nodePort),
  host: await machine.ask(NODE, OUTSIDE.host.nodePort),
};
const inPod = await pod.ask(OUTSIDE.remote, SERVICE_PORT);
const sctp: SctpReport = {
  outside: {
    pod: await machine.askBySctp(CLIENT, NODE, OUTSIDE.pod.nodePort),
    remote: await machine.askBySctp(CLIENT, NODE, OUTSIDE.remote.nodePort),
    host: await machine.askBySctp(CLIENT, NODE, OUTSIDE.host.nodePort),
  },
  inPod: await pod.askBySctp(POD, OUTSIDE.remote, SERVICE_PORT),
  hairpin: await pod.askBySctp(POD, OUTSIDE.pod, SERVICE_PORT),
  flows: flowList().filter(({ protocol }) => protocol === "SCTP"),
  onNode: await askBySctp(NODE, SERVED, SERVICE_PORT, 1_000),
  refused: await pod.askBySctp(POD, EMPTY, SERVICE_PORT),
  refusedOutside: await machine.askBySctp(CLIENT, NODE, OUTSIDE.nobody.nodePort),
};

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
  unserved,
  loopback,
  outside,
  inPod,
  sctp,
  staleSocketError,
  keptSocket,
  moved,
  unattended,
  adopted,
  afterwards,
};
console.log(`${REPORT_MARK}${JSON.stringify(report)}`);
process.exit(0);
