import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { json } from "node:stream/consumers";
import type { DebugReply } from "./env.ts";
import { AgentUnreachable, type UnreachableCode } from "./error.ts";

/**
 * Asks the agent on a UNIX socket.
 *
 * @throws AgentUnreachable, of code "silent" where the answer takes longer than `timeoutMs`
 */
export async function fetchDebug(
  socketPath: string,
  path: string,
  timeoutMs = 10_000,
): Promise<DebugReply> {
  try {
    const signal = AbortSignal.timeout(timeoutMs);
    const sent = request({ socketPath, path, agent: false, signal }).end();
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    return { status: response.statusCode ?? 0, body: await json(response) };
  } catch (error) {
    throw new AgentUnreachable(codeOf(error as NodeJS.ErrnoException), socketPath, error);
  }
}

function codeOf({ code }: NodeJS.ErrnoException): UnreachableCode {
  if (code === "ECONNREFUSED" || code === "ENOENT" || code === "ENOTDIR") return "down";
  return code === "EACCES" || code === "EPERM" ? "forbidden" : "silent";
}
