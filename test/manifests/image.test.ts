import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { read, root } from "./objects.ts";

/** The Dockerfile's stages, each as its instructions, with continued lines joined. */
const stages = read("Dockerfile")
  .replaceAll("\\\n", "")
  .split(/^FROM /m)
  .slice(1)
  .map((stage) => stage.split("\n").filter((line) => line !== "" && !line.startsWith("#")));
const [build, runtime] = stages as [string[], string[]];

const installed = (stage: readonly string[]): readonly string[] =>
  stage
    .flatMap((line) => /--no-install-recommends (.*?) +&&/.exec(line)?.[1]?.split(" ") ?? [])
    .toSorted();

const copied = (stage: readonly string[]): readonly string[] =>
  stage
    .filter((line) => line.startsWith("COPY ") && !line.includes("--from"))
    .flatMap((line) => line.split(" ").slice(1, -1));

/** By the library that the dynamic linker asks for, the package of Debian that has it, or needs it. */
const packageOf: Readonly<Record<string, string>> = {
  "libbpf.so.1": "libbpf1",
  "libelf.so.1": "libbpf1",
  "libz.so.1": "libbpf1",
  "libgcc_s.so.1": "libgcc-s1",
  "libstdc++.so.6": "libstdc++6",
};
/** In every image of Debian. */
const libc = /^(lib(c|m|dl|pthread)\.so\.\d|ld-linux-.*)$/;

const neededBy = (file: string): readonly string[] => {
  const text = execFileSync("readelf", ["--dynamic", "--wide", file], { encoding: "utf8" });
  return [...text.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, library]) => library!);
};

describe("the image", () => {
  it("is built from Debian's slim images, by the project's own script", () => {
    expect(build[0]).toBe("node:24-bookworm-slim AS build");
    expect(runtime[0]).toBe("debian:bookworm-slim");
    expect(build).toContain("RUN npm run build");
    expect(packageJson.scripts.build).toContain("agent/bundle.ts");
  });

  it("copies what is in the tree and what .dockerignore lets through", () => {
    const sources = [...copied(build), ...copied(runtime)];
    const allowed = read(".dockerignore").match(/^!.*$/gm);
    expect(sources.length).toBeGreaterThan(5);
    for (const source of sources) {
      expect(existsSync(join(root, source)), source).toBe(true);
      expect(allowed).toContain(`!${source.split("/")[0]}`);
    }
  });

  it("has the libraries that the addon and Node are linked with", () => {
    const files = [join(root, "native/build/libbpf_ts.node"), process.execPath];
    const needed = new Set(files.flatMap(neededBy));
    const packages = [...needed]
      .filter((library) => !libc.test(library))
      .map((library) => packageOf[library] ?? `no package is known for ${library}`);
    expect([...new Set(packages)].toSorted()).toEqual(installed(runtime));
  });

  it("puts the command where it finds the bundle, and starts the agent", () => {
    expect(runtime).toContain("RUN ln -s /opt/sluice/agent/bin/sluice.js /usr/local/bin/sluice");
    expect(runtime).toContain("COPY --from=build /src/dist /opt/sluice/dist");
    expect(runtime.slice(-2)).toEqual(['ENTRYPOINT ["sluice"]', 'CMD ["agent"]']);
  });
});
