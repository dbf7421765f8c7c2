import { generateKeyPairSync, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A user of the API: system:masters may do everything, others what RBAC grants them. */
export interface User {
  readonly name: string;
  readonly groups: readonly string[];
}

export const admin: User = { name: "admin", groups: ["system:masters"] };
/** Bound to the cluster role system:node-proxier by the API server's own defaults. */
export const kubeProxy: User = { name: "system:kube-proxy", groups: [] };

export interface Credentials {
  readonly tokenFile: string;
  readonly serviceAccountKey: string;
  readonly serviceAccountPublicKey: string;
  /** By user name. */
  readonly tokens: ReadonlyMap<string, string>;
}

/** Writes what the API server knows its users and signs service-account tokens by. */
export async function writeCredentials(
  folder: string,
  users: readonly User[],
): Promise<Credentials> {
  const tokens = new Map(users.map(({ name }) => [name, randomBytes(16).toString("hex")]));
  const rows = users.map(
    ({ name, groups }) => `${tokens.get(name)},${name},${name},"${groups.join(",")}"`,
  );
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const credentials = {
    tokenFile: join(folder, "tokens.csv"),
    serviceAccountKey: join(folder, "service-account.key"),
    serviceAccountPublicKey: join(folder, "service-account.pub"),
    tokens,
  };
  await writeFile(credentials.tokenFile, `${rows.join("\n")}\n`, { mode: 0o600 });
  await writeFile(
    credentials.serviceAccountKey,
    privateKey.export({ type: "pkcs8", format: "pem" }),
    { mode: 0o600 },
  );
  await writeFile(
    credentials.serviceAccountPublicKey,
    publicKey.export({ type: "spki", format: "pem" }),
  );
  return credentials;
}

export interface KubeconfigOptions {
  readonly server: string;
  readonly certificateAuthority: string;
  readonly user: string;
  readonly token: string;
}

/** A kubeconfig, as JSON, which every reader of the YAML form takes. */
export const kubeconfigText = (options: KubeconfigOptions): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "test",
    contexts: [{ name: "test", context: { cluster: "test", user: options.user } }],
    clusters: [
      {
        name: "test",
        cluster: {
          server: options.server,
          "certificate-authority": options.certificateAuthority,
        },
      },
    ],
    users: [{ name: options.user, user: { token: options.token } }],
  });
