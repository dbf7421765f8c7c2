import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { command } from "./command.ts";

/** The two repositories of a Debian mirror: the archive itself and its security updates. */
export interface Mirror {
  readonly archive: string;
  readonly security: string;
}

/**
 * The mirror that this machine's apt uses for its own suite, or what `SLUICE_DEBIAN_MIRROR` names
 * (the folder that holds `debian` and `debian-security`).
 */
export const findMirror = async (): Promise<Mirror> => {
  const override = process.env.SLUICE_DEBIAN_MIRROR?.replace(/\/+$/, "");
  if (override) return { archive: `${override}/debian`, security: `${override}/debian-security` };
  const targets = await command("apt-get", [
    "indextargets",
    "--format",
    "$(REPO_URI) $(RELEASE) $(ORIGIN)",
  ]);
  return parseMirror(targets.toString(), codenameOf(await readFile("/etc/os-release", "utf8")));
};

const codenameOf = (osRelease: string): string =>
  /^VERSION_CODENAME=(\S+)/m.exec(osRelease)?.[1] ?? "";

/** Reads lines of `URI release origin`; a repository of another origin is not a Debian mirror. */
export const parseMirror = (targets: string, codename: string): Mirror => {
  const debian = targets
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, , origin]) => origin === "Debian");
  const uriOf = (release: string) => debian.find(([, name]) => name === release)?.[0];
  const archive = uriOf(codename);
  const security = uriOf(`${codename}-security`);
  if (archive === undefined || security === undefined)
    throw new Error(
      `no Debian mirror with security updates for "${codename}" among apt's sources: ` +
        "run apt-get update, or set SLUICE_DEBIAN_MIRROR to the folder above debian/",
    );
  return { archive, security };
};

/** One Debian suite seen through an apt of its own: the machine's own lists stay as they are. */
export interface Suite {
  /** The control fields of the version that apt would install. */
  show(name: string): Promise<string>;
  /** Fetches packages, checked against the suite's signature, as `.deb` files into a folder. */
  download(names: readonly string[], into: string): Promise<void>;
}

/** Opens a suite with its lists under `folder`; reads them from the mirror once. */
export const openSuite = async (
  folder: string,
  sources: readonly string[],
  architecture: string,
): Promise<Suite> => {
  const options = await isolate(folder, sources, architecture);
  await command("apt-get", ["-qq", ...options, "update"]);
  return {
    async show(name) {
      return (
        await command("apt-cache", [...options, "show", "--no-all-versions", name])
      ).toString();
    },
    async download(names, into) {
      await command("apt-get", ["-qq", ...options, "download", ...names], into);
    },
  };
};

const isolate = async (
  folder: string,
  sources: readonly string[],
  architecture: string,
): Promise<readonly string[]> => {
  const empty = join(folder, "empty");
  for (const path of [empty, join(folder, "lists/partial"), join(folder, "archives/partial")])
    await mkdir(path, { recursive: true });
  await writeFile(join(folder, "status"), "");
  const lines = sources.map((source) => `deb [target=Packages arch=${architecture}] ${source}\n`);
  await writeFile(join(folder, "sources.list"), lines.join(""));
  return [
    `Dir::State=${folder}`,
    `Dir::State::status=${join(folder, "status")}`,
    `Dir::Cache=${folder}`,
    `Dir::Etc::sourcelist=${join(folder, "sources.list")}`,
    `Dir::Etc::sourceparts=${empty}`,
    `Dir::Etc::preferences=/dev/null`,
    `Dir::Etc::preferencesparts=${empty}`,
    `APT::Architecture=${architecture}`,
    // apt's unprivileged user cannot write below a home folder.
    "APT::Sandbox::User=root",
    // The security suite of an old release may stand unsigned anew for longer than its validity.
    "Acquire::Check-Valid-Until=false",
    "Acquire::Retries=3",
    // Without it apt calls an unreachable mirror a success.
    "APT::Update::Error-Mode=any",
  ].flatMap((option) => ["-o", option]);
};
