import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { basename, join, resolve } from "node:path";
import { build, type Metafile, type Plugin } from "esbuild";

/**
 * Makes dist/, or the folder that is given: the agent as one file, the addon and eBPF objects that
 * it loads, and the licences of what it holds. Needs nothing else to run but Node.
 */
const root = join(import.meta.dirname, "..");
const dist = resolve(process.argv[2] ?? join(root, "dist"));

const addon = join(root, "native/build/libbpf_ts.node");
const objects = globSync(join(root, "bpf/build/*.bpf.o"));

/** Of a bundled file's path, the part that names its package. */
const packageFolder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/;

/** By importer, the modules that it names and that nothing here gets to use: requests, most of all. */
const unreached = [
  {
    importer: /client-node\/dist\/config\.js$/,
    modules: /^(undici|socks|\.\/gen\/index\.js|\.\/middleware\.js)$/,
  },
  { importer: /prom-client\/index\.js$/, modules: /^\.\/lib\/(cluster|pushgateway)$/ },
];

/** Puts nothing in their place. They would be most of the bundle, and of its weight in memory. */
const withoutUnreached: Plugin = {
  name: "without-unreached",
  setup: ({ onResolve, onLoad }) => {
    const namespace = "unreached";
    for (const { importer, modules } of unreached) {
      onResolve({ filter: modules }, (found) =>
        importer.test(found.importer) ? { path: found.path, namespace } : undefined,
      );
    }
    onLoad({ filter: /./, namespace }, () => ({ contents: "module.exports = {};" }));
  },
};

/**
 * Has Node's `http` required where it is imported. An import reads every export of a module once, and
 * among those of `http` is WebSocket, which brings in Node's own undici: 12 MB for nobody.
 */
const requiringHttp: Plugin = {
  name: "requiring-http",
  setup: ({ onResolve, onLoad }) => {
    const namespace = "required";
    onResolve({ filter: /^(node:)?http$/ }, ({ kind }) =>
      kind === "import-statement" ? { path: "node:http", namespace } : { external: true },
    );
    onLoad({ filter: /./, namespace }, ({ path }) => ({
      contents: `module.exports = require("${path}");`,
    }));
  },
};

/** Loads what speaks to SOCKS proxies when a kubeconfig names one: 5 MB. */
const deferringSocks: Plugin = {
  name: "deferring-socks",
  setup: ({ onResolve, onLoad }) => {
    const namespace = "deferred";
    onResolve({ filter: /^socks-proxy-agent$/ }, ({ path, importer }) =>
      importer.endsWith("/client-node/dist/config.js") ? { path, namespace } : undefined,
    );
    onLoad({ filter: /./, namespace }, ({ path }) => ({
      contents: `Object.defineProperty(exports, "SocksProxyAgent", {
        enumerable: true,
        get: () => require("${path}").SocksProxyAgent,
      });`,
      resolveDir: root,
    }));
  },
};

await bundle();

async function bundle(): Promise<void> {
  requireBuilt();
  mkdirSync(dist, { recursive: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ["agent/main.ts"],
    outfile: join(dist, "sluice.mjs"),
    bundle: true,
    metafile: true,
    platform: "node",
    target: "node24",
    format: "esm",
    minifySyntax: true,
    // Comments go too: one that is not ASCII makes V8 hold the whole text in two bytes a character.
    minifyWhitespace: true,
    lineLimit: 160,
    plugins: [withoutUnreached, requiringHttp, deferringSocks],
    legalComments: "linked",
    // CommonJS packages among the dependencies ask for Node's own modules by `require`.
    banner: {
      js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);',
    },
  });
  for (const file of [addon, ...objects]) copyFileSync(file, join(dist, basename(file)));
  writeFileSync(join(dist, "LICENSES.txt"), licenceTexts(metafile));
}

function requireBuilt(): void {
  if (!existsSync(addon)) throw new Error(`there is no ${addon}; make it by npm run build:native`);
  if (objects.length === 0) throw new Error("bpf/build is empty; fill it by npm run build:bpf");
}

/** The licence of each package of which a part is in the bundle. */
function licenceTexts(metafile: Metafile): string {
  const bundled = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs));
  const folders = new Set(bundled.flatMap((path) => packageFolder.exec(path)?.[0] ?? []));
  return [...folders].sort().map(licenceText).join("\n");
}

function licenceText(folder: string): string {
  const manifest = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
  const files = globSync(join(root, folder, "{LICEN[CS]E,Licen[cs]e,licen[cs]e,NOTICE}*"));
  const texts = files.map((file) => readFileSync(file, "utf8").trim());
  return `${manifest.name} ${manifest.version} (${manifest.license})\n\n${texts.join("\n\n")}\n`;
}
