import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { type Finished, finish, start } from "../harness/child.ts";
import { ownPrefix } from "../harness/leftovers.ts";
import { container, manifests, read, root } from "./objects.ts";

const script = join(root, "kind/install.sh");

/** Stands for docker, kind and kubectl: writes down what it is asked, and answers from ANSWERS. */
const stub = `#!/bin/sh
name=\${0##*/}
printf '%s\\n' "$name $*" >> "$FOLDER/asked"
case "$*" in *"--filename -"*) cat > "$FOLDER/applied" ;; esac
case "$name $*" in
"kind get clusters") printf '%s\\n' other "$CLUSTER" ;;
"kind get nodes "*) printf '%s\\n' "$CLUSTER-control-plane" "$CLUSTER-worker" ;;
"kind get kubeconfig --internal --name $CLUSTER")
  printf '%s\\n' 'apiVersion: v1' 'clusters:' '- cluster:' "    server: $SERVER" '  name: it' ;;
"kubectl kustomize $ROOT/manifests") cat "$FOLDER/manifests" ;;
*" get daemonset "*) case "$*" in *" $STANDING "*) echo "daemonset.apps/$STANDING" ;; esac ;;
*" rollout status "*) exit "$ROLLOUT" ;;
*" logs "*) echo 'what the agent says' ;;
esac
`;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), `${ownPrefix}kind-`));
  for (const name of ["docker", "kind", "kubectl"]) {
    await writeFile(join(folder, name), stub);
    await chmod(join(folder, name), 0o755);
  }
  await writeFile(join(folder, "manifests"), manifests.map(({ text }) => text).join("---\n"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Installed extends Finished {
  /** What docker, kind and kubectl were asked, in order. */
  readonly asked: readonly string[];
  readonly applied: string | undefined;
}

async function install(
  args: readonly string[],
  { cluster = "kind", standing = "none", server = "", rollout = 0 } = {},
): Promise<Installed> {
  for (const name of ["asked", "applied"]) await rm(join(folder, name), { force: true });
  const env = {
    ...{ PATH: `${folder}${delimiter}${process.env.PATH}`, FOLDER: folder, ROOT: root },
    ...{ CLUSTER: cluster, STANDING: standing, ROLLOUT: `${rollout}` },
    SERVER: server === "" ? `https://${cluster}-control-plane:6443` : server,
  };
  const finished = await finish(start("bash", [script, ...args], { env }));
  const text = (name: string) => readFile(join(folder, name), "utf8");
  const applied = existsSync(join(folder, "applied")) ? await text("applied") : undefined;
  return { ...finished, asked: (await text("asked")).trimEnd().split("\n"), applied };
}

describe("kind/install.sh", () => {
  it("is a script that bash can read", () => {
    execFileSync("bash", ["-n", script]);
    expect(read("kind/install.sh")).toMatch(/^#!\/usr\/bin\/env bash\n(#.*\n)+set -euo pipefail\n/);
  });

  it("builds, loads, mounts, applies with the control-plane node's address, and waits", async () => {
    const { code, asked, applied, stderr } = await install([]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const kube = "kubectl --context kind-kind --namespace kube-system";
    const mount = "sh -c mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf";
    expect(asked).toEqual([
      "kind get clusters",
      `${kube} get daemonset kube-proxy --ignore-not-found --output name`,
      "kind get kubeconfig --internal --name kind",
      `docker build --tag ${container.image} ${root}`,
      `kind load docker-image ${container.image} --name kind`,
      "kind get nodes --name kind",
      `docker exec kind-control-plane ${mount}`,
      `docker exec kind-worker ${mount}`,
      `${kube} get daemonset sluice --ignore-not-found --output name`,
      `kubectl kustomize ${root}/manifests`,
      `${kube} apply --filename -`,
      `${kube} rollout status daemonset/sluice --timeout 180s`,
    ]);
    const objects = parseAllDocuments(applied!).map((document) => document.toJS());
    expect(objects.map(({ kind }) => kind)).toEqual(manifests.map(({ object }) => object.kind));
    expect(objects.find(({ kind }) => kind === "ConfigMap").data).toEqual({
      server: "https://kind-control-plane:6443",
    });
    expect(stderr).toContain("applying manifests/ with the API server at https://kind-control");
  });

  it("takes another cluster's name, and restarts the agents that are there already", async () => {
    const { code, asked } = await install(["two"], { cluster: "two", standing: "sluice" });
    expect(code).toBe(0);
    expect(asked).toContain("kind get kubeconfig --internal --name two");
    const kube = "kubectl --context kind-two --namespace kube-system";
    expect(asked.slice(-2)).toEqual([
      `${kube} rollout restart daemonset/sluice`,
      `${kube} rollout status daemonset/sluice --timeout 180s`,
    ]);
  });

  it.each([
    ["there is no such cluster", ["absent"], {}, "there is no kind cluster absent: kind create"],
    ["kube-proxy runs there", [], { standing: "kube-proxy" }, "kube-proxy runs in kind: make the"],
    ["no server is named", [], { server: "none" }, 'names no API server: "none"'],
  ])("changes nothing where %s, and says so", async (_, args, world, message) => {
    const { code, stderr, asked, applied } = await install(args, world);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(applied).toBeUndefined();
    expect(asked.filter((each) => each.startsWith("docker"))).toEqual([]);
  });

  it("fails where the agents do not become ready, and shows what they say", async () => {
    const { code, stdout, stderr } = await install([], { rollout: 1 });
    expect(code).toBe(1);
    expect(`${stdout}${stderr}`).toContain("what the agent says");
    expect(stderr).toContain("sluice is not ready on every node");
  });
});

describe("kind's configurations", () => {
  const networking = (file: string) => parse(read(`kind/${file}`)).networking;

  it("make clusters without kube-proxy, of one family and of two", () => {
    expect(networking("cluster.yaml")).toEqual({ kubeProxyMode: "none" });
    expect(networking("dual-stack.yaml")).toEqual({ kubeProxyMode: "none", ipFamily: "dual" });
  });
});
