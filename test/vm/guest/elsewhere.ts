import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { answerAt } from "./backends.ts";
import { askByPackets } from "./clients.ts";
import type { Address } from "./manifests.ts";
import type { PacketOutcomes, SctpOutcomes } from "./report.ts";
import { answerSctp, askBySctp } from "./sctp.ts";

interface Question {
  readonly to: Address;
  readonly port: number;
  /** Over SCTP, from here. */
  readonly from?: Address;
}

const SCRIPT = import.meta.filename;

/** A process in another namespace, outside of the node's cgroup: it answers there, and asks. */
export class Elsewhere {
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  /** Resolves when it answers at these addresses, with its own and the client's. */
  static async start(netns: string, at: Address): Promise<Elsewhere> {
    const enter = 'echo 0 > /sys/fs/cgroup/cgroup.procs && exec /sbin/ip netns exec "$@"';
    const args = ["-c", enter, "sh", netns, process.execPath, SCRIPT, at.ip4, at.ip6];
    const child = spawn("/bin/busybox", ["sh", ...args], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const [ready] = await Promise.race([once(child, "message"), once(child, "exit")]);
    if (ready !== "ready") throw new Error(`${netns}: the process ended`);
    return new Elsewhere(child);
  }

  ask(to: Address, port: number): Promise<PacketOutcomes> {
    return this.#ask<PacketOutcomes>({ to, port });
  }

  askBySctp(from: Address, to: Address, port: number): Promise<SctpOutcomes> {
    return this.#ask<SctpOutcomes>({ from, to, port });
  }

  async #ask<Outcomes>(question: Question): Promise<Outcomes> {
    this.#process.send(question);
    const [answer] = await once(this.#process, "message");
    return answer as Outcomes;
  }
}

if (process.argv[1] === SCRIPT) {
  const [, , ip4 = "", ip6 = ""] = process.argv;
  await answerAt({ ip4, ip6 }, true);
  await answerSctp({ ip4, ip6 });
  process.on("message", async ({ from, to, port }: Question) =>
    process.send?.(await (from ? askBySctp(from, to, port) : askByPackets(to, port))),
  );
  process.on("disconnect", () => process.exit());
  process.send?.("ready");
}
