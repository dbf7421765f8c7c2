import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "./cache.ts";
import { command } from "./command.ts";
import { findMirror, type Mirror, openSuite, type Suite } from "./suite.ts";

/** A kernel that sluice is tested on: the cloud kernel of a Debian suite. */
export interface Kernel {
  /** What its release starts with; "newest" for the suite that moves. */
  readonly name: "5.10" | "6.1" | "6.12" | "newest";
  readonly suite: string;
}

/** A kernel on disk. */
export interface KernelFiles {
  readonly release: string;
  readonly vmlinuz: string;
  /** The folder `lib/modules/RELEASE/kernel`. */
  readonly modules: string;
}

export const allKernels: readonly Kernel[] = [
  { name: "5.10", suite: "bullseye" },
  { name: "6.1", suite: "bookworm" },
  { name: "6.12", suite: "trixie" },
  { name: "newest", suite: "sid" },
];

/** The floor and the newest; all of them when `SLUICE_VM_KERNELS=all`, or those it lists. */
export const chosenKernels = (choice = process.env.SLUICE_VM_KERNELS): readonly Kernel[] => {
  if (choice === "all") return allKernels;
  const names = choice ? choice.split(",") : ["5.10", "newest"];
  return names.map((name) => {
    const kernel = allKernels.find((candidate) => candidate.name === name);
    if (kernel !== undefined) return kernel;
    const known = allKernels.map((candidate) => candidate.name).join(", ");
    throw new Error(`SLUICE_VM_KERNELS: no kernel "${name}"; there are ${known} and "all"`);
  });
};

/** The kernel's files, fetched from the machine's Debian mirror when the cache lacks them. */
export const fetchKernel = async (kernel: Kernel): Promise<KernelFiles> => {
  if (process.arch !== "x64")
    throw new Error(`kernels in VMs are supported on amd64 only, and this is ${process.arch}`);
  const folder = cacheFolder("kernels", kernel.suite);
  if (!(await stat(folder).catch(() => undefined))) await fillCache(kernel, folder);
  return {
    release: await readFile(join(folder, "release"), "utf8"),
    vmlinuz: join(folder, "vmlinuz"),
    modules: join(folder, "modules"),
  };
};

const fillCache = async (kernel: Kernel, folder: string): Promise<void> => {
  await mkdir(cacheFolder("kernels"), { recursive: true });
  const scratch = await mkdtemp(cacheFolder("kernels", `.${kernel.suite}-`));
  try {
    const sources = sourcesOf(kernel.suite, await findMirror());
    const suite = await openSuite(join(scratch, "apt"), sources, "amd64");
    await unpack(await packagesOf(suite), suite, scratch);
    await rename(join(scratch, "kernel"), folder);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
};

const sourcesOf = (suite: string, mirror: Mirror): readonly string[] => {
  const archive = `${mirror.archive} ${suite} main`;
  // The moving suite takes its fixes directly.
  return suite === "sid" ? [archive] : [archive, `${mirror.security} ${suite}-security main`];
};

/** The versioned packages behind the meta package; newer suites split image from modules. */
const packagesOf = async (suite: Suite): Promise<readonly string[]> => {
  const [image] = kernelPackages(await suite.show("linux-image-cloud-amd64"));
  if (image === undefined) throw new Error("linux-image-cloud-amd64 depends on no kernel image");
  return [image, ...kernelPackages(await suite.show(image))];
};

const kernelPackages = (control: string): readonly string[] => {
  const depends = /^Depends: (.*)$/m.exec(control)?.[1] ?? "";
  return depends.match(/\blinux-(?:image|binary|modules)-\d[^\s,]*/g) ?? [];
};

const unpack = async (names: readonly string[], suite: Suite, scratch: string): Promise<void> => {
  const tree = join(scratch, "tree");
  const kernel = join(scratch, "kernel");
  await mkdir(kernel);
  await suite.download(names, scratch);
  for (const file of await readdir(scratch))
    if (file.endsWith(".deb")) await command("dpkg-deb", ["-x", join(scratch, file), tree]);
  const modules = await firstOf([join(tree, "usr/lib/modules"), join(tree, "lib/modules")]);
  const [release] = await readdir(modules);
  if (release === undefined) throw new Error(`${names.join(", ")}: no modules inside`);
  const inModules = join(modules, release, "vmlinuz");
  const vmlinuz = await firstOf([inModules, join(tree, "boot", `vmlinuz-${release}`)]);
  await rename(vmlinuz, join(kernel, "vmlinuz"));
  await rename(join(modules, release, "kernel"), join(kernel, "modules"));
  await writeFile(join(kernel, "release"), release);
};

const firstOf = async (paths: readonly string[]): Promise<string> => {
  for (const path of paths) if (await stat(path).catch(() => undefined)) return path;
  throw new Error(`none of these is in the package: ${paths.join(", ")}`);
};
