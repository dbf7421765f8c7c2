import { join } from "node:path";
import type { Child, Finished } from "./child.ts";
import type { ProcessOptions } from "./place.ts";
import type { ServingSite } from "./serve.ts";

const script = (name: string): string => join(import.meta.dirname, name);

export interface RunningSite {
  run(command: string, args: readonly string[], options?: ProcessOptions): Promise<Finished>;
}

/** Serves HTTP in a pod, as `download` and `upload` need it. Resolves once it listens. */
export async function serveHttp(pod: ServingSite, port: number): Promise<Child> {
  const server = pod.start(process.execPath, [script("http_server.ts"), pod.name, `${port}`]);
  await server.printed("ready\n");
  return server;
}

/** By curl: SHA-256 of `length` bytes as they arrive. */
export function download(from: RunningSite, authority: string, length: number): Promise<string> {
  return shell(from, 'curl -sS --fail --max-time 25 "http://$1/$2" | sha256sum | cut -c 1-64', [
    authority,
    `${length}`,
  ]);
}

/** By curl: SHA-256 of `length` bytes as the server got them. */
export function upload(from: RunningSite, authority: string, length: number): Promise<string> {
  const send = '"$3" "$4" "$2" | curl -sS --fail --max-time 25 -H "Expect:" -T - "http://$1/"';
  return shell(from, send, [authority, `${length}`, process.execPath, script("bytes.ts")]);
}

async function shell(from: RunningSite, line: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await from.run("sh", ["-c", line, "sh", ...args]);
  if (stderr !== "") throw new Error(`${line}: ${stderr}`);
  return stdout.trim();
}

/** ADDRESS:PORT as it reads in a URL. */
export const authorityOf = (address: string, port: number): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
