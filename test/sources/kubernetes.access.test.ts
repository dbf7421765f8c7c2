import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { HttpTransport } from "../../agent/sources/kubernetes/transport.ts";
import { makeCertificates } from "./certificates.ts";

interface Seen {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly client: string;
  readonly port: number | undefined;
}

let folder: string;
let server: Server;
let seen: Seen[];
let transport: HttpTransport;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-access-"));
  makeCertificates(folder);
  const file = (name: string) => readFileSync(join(folder, name));
  const tls = { key: file("server.key"), cert: file("server.crt"), ca: file("ca.crt") };
  server = createServer(
    { ...tls, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      seen.push(seenOf(request));
      response.end("{}");
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(() => {
  seen = [];
});

afterEach(() => transport.close());

const seenOf = (request: IncomingMessage): Seen => ({
  path: request.url ?? "",
  authorization: request.headers.authorization,
  client: String((request.socket as TLSSocket).getPeerCertificate().subject?.CN ?? "none"),
  port: request.socket.remotePort,
});

const url = () => `https://127.0.0.1:${(server.address() as AddressInfo).port}`;

function writeConfig(
  user: string,
  cluster = `{server: "${url()}", certificate-authority: ca.crt}`,
): string {
  const path = join(folder, "kubeconfig");
  const context = "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n";
  const lists = `clusters: [{name: c, cluster: ${cluster}}]\nusers: [{name: u, user: ${user}}]\n`;
  writeFileSync(path, `apiVersion: v1\nkind: Config\n${lists}${context}`);
  return path;
}

async function get(path = "/version", signal = new AbortController().signal): Promise<number> {
  const answer = await transport.get("list services", path, signal);
  for await (const _ of answer.body);
  return answer.httpStatus;
}

describe("a kubeconfig", () => {
  it("gives the authority and the client certificate, by paths beside it", async () => {
    const kubeconfig = writeConfig("{client-certificate: client.crt, client-key: client.key}");
    transport = new HttpTransport({ kubeconfig });
    expect(await get()).toBe(200);
    expect(seen).toMatchObject([{ path: "/version", client: "client", authorization: undefined }]);
    expect(transport.target).toBe(url());
  });

  it("gives a token by file, without the newline at its end (KP-51)", async () => {
    writeFileSync(join(folder, "token"), "first\n");
    transport = new HttpTransport({ kubeconfig: writeConfig("{tokenFile: token}") });
    await get();
    expect(seen).toMatchObject([{ authorization: "Bearer first" }]);
  });

  it("is read anew when access failed, so that what was renewed on disk counts", async () => {
    const kubeconfig = writeConfig("{token: old}");
    transport = new HttpTransport({ kubeconfig });
    await get();
    writeConfig("{token: new}");
    await get();
    transport.renew();
    await get();
    expect(seen.map(({ authorization }) => authorization)).toEqual([
      "Bearer old",
      "Bearer old",
      "Bearer new",
    ]);
  });

  it("may leave the token to a command, which is told what it is asked for", async () => {
    const command = join(folder, "plugin");
    const credential =
      '{"status":{"token":"\'$(echo "$KUBERNETES_EXEC_INFO" | cksum | cut -d" " -f1)\'"}}';
    writeFileSync(command, `#!/bin/sh\necho '${credential}'\n`);
    chmodSync(command, 0o755);
    const apiVersion = "client.authentication.k8s.io/v1";
    transport = new HttpTransport({
      kubeconfig: writeConfig(`{exec: {apiVersion: ${apiVersion}, command: "${command}"}}`),
    });
    await get();
    // cksum of {"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"interactive":false}}
    expect(seen).toMatchObject([{ authorization: "Bearer 1491457345" }]);
  });

  it("gives its credentials to another server too", async () => {
    const kubeconfig = writeConfig(
      "{token: t}",
      `{server: "https://192.0.2.1", certificate-authority: ca.crt}`,
    );
    transport = new HttpTransport({ kubeconfig, server: `${url()}/prefix/` });
    await get("/api/v1/services?limit=1");
    expect(seen).toMatchObject([
      { path: "/prefix/api/v1/services?limit=1", authorization: "Bearer t" },
    ]);
  });

  it("is used over one kept connection", async () => {
    transport = new HttpTransport({ kubeconfig: writeConfig("{token: t}") });
    for (let i = 0; i < 3; i++) await get();
    expect(new Set(seen.map(({ port }) => port)).size).toBe(1);
  });

  it.each([
    [
      "of an untrusted authority",
      `{server: "URL"}`,
      "check certificate-authority in the kubeconfig",
    ],
    [
      "without its authority's file",
      `{server: "URL", certificate-authority: gone.crt}`,
      "check the paths of the kubeconfig and in it",
    ],
  ])("%s fails with what mends it", async (_, cluster, hint) => {
    transport = new HttpTransport({ kubeconfig: writeConfig("{}", cluster.replace("URL", url())) });
    await expect(get()).rejects.toMatchObject({
      code: "unreachable",
      operation: "list services",
      message: expect.stringMatching(new RegExp(`^cannot list services: .*${hint}$`)),
    });
  });

  it("that is absent or names no cluster fails with what mends it", async () => {
    transport = new HttpTransport({ kubeconfig: join(folder, "absent") });
    await expect(get()).rejects.toThrow(/ENOENT.*absent.*; check the paths of the kubeconfig/);
    const empty = join(folder, "empty");
    writeFileSync(empty, "kind: Config\n");
    transport = new HttpTransport({ kubeconfig: empty });
    await expect(get()).rejects.toThrow("the kubeconfig names no cluster by its current-context");
  });

  it("whose command hangs does not hold up a stop", async () => {
    const command = join(folder, "hang");
    writeFileSync(command, "#!/bin/sh\nexec sleep 5\n");
    chmodSync(command, 0o755);
    transport = new HttpTransport({ kubeconfig: writeConfig(`{exec: {command: "${command}"}}`) });
    const stop = new AbortController();
    const pending = get("/version", stop.signal);
    stop.abort();
    await expect(pending).rejects.toThrow("aborted");
  });
});
