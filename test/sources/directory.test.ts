import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type DirectoryOptions, DirectorySource } from "../../agent/sources/directory/source.ts";
import { Recorder, until } from "./recorder.ts";

let folder: string;
let source: DirectorySource;
let seen: Recorder;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-directory-"));
  seen = new Recorder();
});

afterEach(async () => {
  await source.stop();
  rmSync(folder, { recursive: true, force: true });
});

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

async function open(options: Partial<DirectoryOptions> = {}): Promise<void> {
  source = new DirectorySource({ folder, nodeName: "n1", ...options });
  source.start(seen.sink);
  await until(() => seen.count("synced") === 5, "the first listing");
}

const problems = () =>
  source.status().problems.map(({ target, message }) => `${target} ${message}`);

const saw = (...lines: string[]) =>
  until(() => lines.every((line) => seen.lines.includes(line)), `${lines} among ${seen.lines}`);

const says = (part: string) =>
  until(() => problems().some((line) => line.includes(part)), `${part} among ${problems()}`);

const service = (name: string, clusterIP: string) => `apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec:
  clusterIP: ${clusterIP}
  ports:
  - port: 80
`;

/** With an annotation of that text. */
const annotated = (yaml: string, text: string) =>
  yaml.replace(/({name: \w+)}/, `$1, annotations: {${text}}}`);

const onNode = (name: string, clusterIP: string) =>
  `${service(name, clusterIP).replace("spec:", "spec:\n  type: NodePort")}    nodePort: 30080\n`;

const slice = (name: string, ...addresses: string[]) => `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: ${name}
  labels: {kubernetes.io/service-name: web}
addressType: IPv4
ports:
- port: 8080
endpoints:
${addresses.map((address) => `- addresses: ["${address}"]`).join("\n")}
`;

describe("a folder of YAML", () => {
  it("says every object, then that it is synced", async () => {
    write(
      "b.yaml",
      `${service("web", "10.96.0.10")}---\n${slice("web-1", "10.0.0.1", "10.0.0.2")}`,
    );
    write(
      "a.yml",
      "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n---\napiVersion: v1\nkind: Node\nmetadata: {name: n2}\n",
    );
    write(
      "c.json",
      JSON.stringify({
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "json" },
        spec: { clusterIP: "10.96.0.11", ports: [{ port: 1 }] },
      }),
    );
    write(".hidden.yaml", service("hidden", "10.96.0.12"));
    write("notes.txt", "not: read");
    await open();
    expect(seen.lines).toEqual([
      "+ node n1",
      "+ service web 10.96.0.10",
      "+ slice web-1 10.0.0.1,10.0.0.2",
      "+ service json 10.96.0.11",
      "synced services",
      "synced endpointslices",
      "synced nodes",
      "synced servicecidrs",
      "synced foreignservices",
    ]);
    expect(problems()).toEqual([]);
    expect(source.status()).toMatchObject({
      kind: "directory",
      target: folder,
      resources: [
        { resource: "services", synced: true, objects: 2, lists: 1, error: undefined },
        { resource: "endpointslices", synced: true, objects: 1, lists: 1 },
        { resource: "nodes", synced: true, objects: 1, lists: 1 },
        { resource: "servicecidrs", synced: true, objects: 0, lists: 1 },
        { resource: "foreignservices", synced: true, objects: 0, lists: 1 },
      ],
    });
  });

  it("is in the namespace default, with ports named as the API server would (KP-33)", async () => {
    write("a.yaml", `${service("web", "10.96.0.10")}---\n${slice("web-1", "10.0.0.1")}`);
    await open();
    expect(seen.events).toMatchObject([
      { service: { namespace: "default", ports: [{ name: "", protocol: "TCP", port: 80 }] } },
      { slice: { namespace: "default", serviceName: "web", ports: [{ name: "", port: 8080 }] } },
      {},
      {},
      {},
      {},
      {},
    ]);
  });

  it("may say how its endpoints are picked, and by what weights", async () => {
    const web = annotated(
      service("web", "10.96.0.10"),
      'sluice.dev/algorithm: maglev, sluice.dev/weights: "10.0.0.1=3"',
    );
    write("a.yaml", web);
    await open();
    const weights = (...pairs: [string, number][]) => ({ weights: new Map(pairs) });
    expect(seen.events[0]).toMatchObject({
      service: { algorithm: "maglev", ...weights(["10.0.0.1", 3]) },
    });
    write("a.yaml", web.replace("10.0.0.1=3", "10.0.0.1=4"));
    await until(() => seen.count("service") === 2, "the changed weight");
    expect(seen.events.at(-1)).toMatchObject({ service: weights(["10.0.0.1", 4]) });
    expect(problems()).toEqual([]);
  });

  it("takes a List as kubectl prints it, without a complaint (B7)", async () => {
    write("all.yaml", kubectlList);
    await open();
    expect(problems()).toEqual([]);
    expect(seen.lines.slice(0, 3)).toEqual([
      "+ service kubernetes 10.96.0.1",
      "+ slice kubernetes 192.168.1.5",
      "+ node n1",
    ]);
  });

  it("says only what changed", async () => {
    write("a.yaml", `${service("web", "10.96.0.10")}---\n${service("db", "10.96.0.11")}`);
    await open();
    seen.clear();
    write("a.yaml", `${service("web", "10.96.0.10")}---\n${service("db", "10.96.0.12")}`);
    await saw("+ service db 10.96.0.12");
    expect(seen.lines).toEqual(["+ service db 10.96.0.12"]);
  });

  it("says what vanished from a file and with a file", async () => {
    write("a.yaml", `${service("web", "10.96.0.10")}---\n${service("db", "10.96.0.11")}`);
    write("b.yaml", slice("web-1", "10.0.0.1"));
    await open();
    seen.clear();
    write("a.yaml", service("web", "10.96.0.10"));
    unlinkSync(join(folder, "b.yaml"));
    await saw("- service db", "- slice web-1");
    expect(seen.lines.toSorted()).toEqual(["- service db", "- slice web-1"]);
  });

  it("follows an editor that replaces the file", async () => {
    write("a.yaml", service("web", "10.96.0.10"));
    await open();
    write(".a.yaml.swp", service("web", "10.96.0.11"));
    renameSync(join(folder, ".a.yaml.swp"), join(folder, "a.yaml"));
    await saw("+ service web 10.96.0.11");
  });

  it("follows the links of a ConfigMap volume when they are swapped", async () => {
    mkdirSync(join(folder, "..v1"));
    mkdirSync(join(folder, "..v2"));
    write("..v1/a.yaml", service("web", "10.96.0.10"));
    write("..v2/a.yaml", service("web", "10.96.0.11"));
    symlinkSync("..v1", join(folder, "..data"));
    symlinkSync("..data/a.yaml", join(folder, "a.yaml"));
    await open();
    expect(seen.lines).toContain("+ service web 10.96.0.10");
    symlinkSync("..v2", join(folder, "..data_tmp"));
    renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
    await saw("+ service web 10.96.0.11");
    expect(seen.count("service-deleted")).toBe(0);
  });

  it("is polled where the file system says nothing", async () => {
    write("a.yaml", service("web", "10.96.0.10"));
    await open({ watch: () => () => {}, pollMilliseconds: 20 });
    write("a.yaml", service("web", "10.96.0.11"));
    await saw("+ service web 10.96.0.11");
  });

  it("is polled, and says so, where it cannot be watched", async () => {
    const watch = () => {
      throw Object.assign(new Error("no watches"), { code: "ENOSPC" });
    };
    await open({ watch, pollMilliseconds: 20 });
    expect(problems()).toEqual([
      `${folder} changes are seen only every 0.02 s: no inotify watches are left; raise fs.inotify.max_user_watches`,
    ]);
    write("a.yaml", service("web", "10.96.0.11"));
    await saw("+ service web 10.96.0.11");
  });

  it("is waited for while it does not exist (B7)", async () => {
    rmSync(folder, { recursive: true });
    source = new DirectorySource({ folder, nodeName: "n1", pollMilliseconds: 20 });
    source.start(seen.sink);
    await says("the folder cannot be read: it does not exist; create it");
    expect(seen.lines).toEqual([]);
    expect(source.status().resources[0]).toMatchObject({ synced: false, lists: 0 });
    mkdirSync(folder);
    write("a.yaml", service("web", "10.96.0.10"));
    await saw("+ service web 10.96.0.10", "synced nodes");
    await until(() => problems().length === 0, "no problem");
  });

  it("keeps what it held when it goes away, and is watched anew when it comes back (PF-02)", async () => {
    write("a.yaml", service("web", "10.96.0.10"));
    write("b.yaml", service("db", "10.96.0.11"));
    await open({ pollMilliseconds: 20 });
    seen.clear();
    renameSync(folder, `${folder}-away`);
    await says("the folder cannot be read");
    expect(seen.lines).toEqual([]);
    unlinkSync(join(`${folder}-away`, "b.yaml"));
    renameSync(`${folder}-away`, folder);
    await saw("- service db");
    expect(seen.lines).toEqual(["- service db"]);
    expect(source.status().resources[0]).toMatchObject({ lists: 2, objects: 1, error: undefined });
  });

  it("is watched anew where a link to another folder takes its place", async () => {
    const [first, second, link] = ["first", "second", "link"].map((name) => join(folder, name));
    for (const [path, address] of [
      [first, "10.96.0.1"],
      [second, "10.96.0.2"],
    ]) {
      mkdirSync(path!);
      writeFileSync(join(path!, "a.yaml"), service("web", address!));
    }
    symlinkSync(first!, link!);
    await open({ folder: link!, pollMilliseconds: 20 });
    unlinkSync(link!);
    symlinkSync(second!, link!);
    await saw("+ service web 10.96.0.2");
    expect(source.status().resources[0]?.lists).toBe(2);
    expect(seen.count("service-deleted")).toBe(0);
  });

  it("does not take a file that is just being rewritten for deletions", async () => {
    write("a.yaml", `${service("web", "10.96.0.10")}---\n${service("db", "10.96.0.11")}`);
    await open();
    for (let round = 0; round < 10; round++) {
      write("a.yaml", "");
      await new Promise((resolve) => setImmediate(resolve));
      write("a.yaml", `${service("web", "10.96.0.10")}---\n${service("db", `10.96.1.${round}`)}`);
      await saw(`+ service db 10.96.1.${round}`);
    }
    expect(seen.count("service-deleted")).toBe(0);
  });

  it("keeps the address of a Service that becomes another proxy's, and serves it again after (KP-01)", async () => {
    const label = "service.kubernetes.io/service-proxy-name: other";
    write("a.yaml", service("web", "10.96.0.10"));
    await open();
    seen.clear();
    const labelled = service("web", "10.96.0.10").replace(
      "name: web",
      `name: web, labels: {${label}}`,
    );
    expect(labelled).toContain(label);
    write("a.yaml", labelled);
    await saw("+ foreignservice web 10.96.0.10");
    expect(seen.lines).toEqual(["- service web", "+ foreignservice web 10.96.0.10"]);
    write("a.yaml", service("web", "10.96.0.10"));
    await saw("+ service web 10.96.0.10");
    expect(seen.lines.slice(2)).toEqual(["- foreignservice web", "+ service web 10.96.0.10"]);
  });

  it("may say which ranges ClusterIPs come from (KP-31)", async () => {
    const cidrs = (text: string) =>
      `apiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\nmetadata: {name: kubernetes}\nspec: {${text}}\n`;
    write("cidr.yaml", cidrs("cidrs: [10.96.0.0/16, fd00:10:96::/112]"));
    await open();
    expect(seen.lines).toContain("+ servicecidr kubernetes 10.96.0.0/16,fd00:10:96::/112");
    write("cidr.yaml", cidrs("cidrs: [10.96.0.0/12], range: 10.0.0.0/8"));
    await until(
      () => seen.lines.includes("+ servicecidr kubernetes 10.96.0.0/12"),
      "the range to change",
    );
    expect(problems()).toEqual([
      "cidr.yaml:4 spec.range is no field that Kubernetes knows here; it is ignored",
    ]);
    unlinkSync(join(folder, "cidr.yaml"));
    await until(() => seen.lines.includes("- servicecidr kubernetes"), "the range to go");
  });
});

describe("bad input in a folder (B7)", () => {
  const good = service("good", "10.96.0.99");

  /** Each: what is written, and the whole of what is then said. The good file must work. */
  it.each([
    ["invalid YAML", "a: [1\n", /^bad\.yaml:2:1 is not valid YAML: .+$/],
    [
      "an unknown escape",
      'a: "\\q"\n',
      /^bad\.yaml:1:5 is not valid YAML: Invalid escape sequence \\q$/,
    ],
    ["text", "hello\n", 'bad.yaml:1 is "hello"; write an object with apiVersion and kind'],
    ["a list", "- 1\n", "bad.yaml:1 is [1]; write an object with apiVersion and kind"],
    [
      "no kind",
      "\nmetadata: {name: a}\n",
      "bad.yaml:2 lacks kind; write Service, EndpointSlice, Node or ServiceCIDR",
    ],
    [
      "a misspelt kind",
      "kind: Servce\n",
      'bad.yaml:1 kind "Servce" is unknown; did you mean Service?',
    ],
    [
      "a foreign kind",
      "apiVersion: apps/v1\nkind: Deployment\n",
      'bad.yaml:2 kind "Deployment" is ignored: only Service, EndpointSlice, Node and ServiceCIDR count here',
    ],
    [
      "Endpoints",
      "apiVersion: v1\nkind: Endpoints\n",
      'bad.yaml:2 kind "Endpoints" is ignored: only Service, EndpointSlice, Node and ServiceCIDR count here; write an EndpointSlice',
    ],
    [
      "no name",
      "apiVersion: v1\nkind: Service\nmetadata: {}\n",
      "bad.yaml:3 metadata.name is missing; name the object",
    ],
    [
      "no apiVersion",
      "kind: Service\nmetadata: {name: a}\n",
      "bad.yaml:1 apiVersion is nothing; write v1",
    ],
    [
      "an old apiVersion",
      "apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: {name: a}\n",
      'bad.yaml:1 apiVersion is "discovery.k8s.io/v1beta1"; write discovery.k8s.io/v1',
    ],
    [
      "an unknown field",
      service("a", "10.96.0.1").replace("spec:", "spec:\n  clusterIp: 10.96.0.2"),
      "bad.yaml:5 spec.clusterIp is no field that Kubernetes knows here and is ignored; did you mean clusterIP?",
    ],
    [
      "a field like no other",
      service("a", "10.96.0.1").replace("spec:", "spec:\n  color: red"),
      "bad.yaml:5 spec.color is no field that Kubernetes knows here; it is ignored",
    ],
    [
      "a wrong type",
      service("a", "10.96.0.1").replace("port: 80", 'port: "80"'),
      'bad.yaml:7 spec.ports[0].port is "80"; write a whole number without quotes',
    ],
    [
      "a number as a label",
      service("a", "10.96.0.1").replace("{name: a}", "{name: a, labels: {v: 1}}"),
      'bad.yaml:3 metadata.labels is {"v":1}; write a mapping of texts; numbers, true and false need quotes to be text',
    ],
    [
      "a mapping for a list",
      service("a", "10.96.0.1").replace("- port: 80", "  port: 80"),
      'bad.yaml:6 spec.ports is {"port":80}; write a list',
    ],
    [
      "no ports",
      "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {clusterIP: 10.96.0.1}\n",
      "bad.yaml:4 spec.ports is empty: a Service needs at least one port",
    ],
    [
      "no ClusterIP",
      service("a", "null"),
      "bad.yaml:5 spec.clusterIP is missing; write an address, for nothing allocates one here",
    ],
    [
      "an invalid ClusterIP",
      service("a", "10.96.0.999"),
      'bad.yaml:5 spec.clusterIP "10.96.0.999" is not an IP address of a host; write it as 10.0.0.1 or fd00::1',
    ],
    [
      "a port out of range",
      service("a", "10.96.0.1").replace("80", "80000"),
      "bad.yaml:7 spec.ports[0].port 80000 is not a port; write a whole number from 1 to 65535",
    ],
    [
      "an unknown protocol",
      service("a", "10.96.0.1").replace("port: 80", "{port: 80, protocol: ICMP}"),
      'bad.yaml:7 spec.ports[0].protocol "ICMP" is not a protocol; write TCP, UDP or SCTP',
    ],
    [
      "an endpoint in the wrong family",
      slice("a", "10.0.0.1", "fd00::1"),
      'bad.yaml:11 endpoints[1].addresses[0] "fd00::1" is no IPv4 address; move it to an EndpointSlice with the other addressType',
    ],
    [
      "a duplicate address",
      slice("a", "10.0.0.1", "10.0.0.1"),
      "bad.yaml:11 endpoints[1].addresses[0] 10.0.0.1 is an endpoint already (endpoints[0]) and counts once; remove one of the two",
    ],
    [
      "a condition as text",
      slice("a", "10.0.0.1").replace(/$/, "  conditions: {ready: no}\n"),
      'bad.yaml:11 endpoints[0].conditions.ready is "no"; write true or false',
    ],
    [
      "the same object again",
      `${good.replace("99", "98")}`.replace(/^/, `${service("a", "10.96.0.1")}---\n`),
      "good.yaml:1 Service default/good is defined at bad.yaml:9 already, and that one counts; remove one of the two",
    ],
    [
      "the ClusterIP of another Service",
      service("a", "10.96.0.99"),
      "good.yaml:1 Service default/good claims 10.96.0.99, the clusterIP of Service default/a (bad.yaml:1); give each its own",
    ],
    [
      "the nodePort of another Service",
      `${onNode("a", "10.96.0.1")}---\n${onNode("b", "10.96.0.2")}`,
      "bad.yaml:11 Service default/b claims 30080/TCP, a nodePort of Service default/a (bad.yaml:1); give each its own",
    ],
    [
      "another's nodePort for a health check (KP-40)",
      `${onNode("a", "10.96.0.1")}---\n${service("b", "10.96.0.2").replace("spec:", "spec:\n  type: LoadBalancer\n  healthCheckNodePort: 30080")}`,
      "bad.yaml:11 Service default/b claims 30080/TCP, a nodePort of Service default/a (bad.yaml:1); give each its own",
    ],
    [
      "an unknown algorithm",
      annotated(service("a", "10.96.0.1"), 'sluice.dev/algorithm: "maglve"'),
      'bad.yaml:3 metadata.annotations.sluice.dev/algorithm "maglve" is not an algorithm; write random or maglev',
    ],
    [
      "a weight that is too large",
      annotated(service("a", "10.96.0.1"), 'sluice.dev/weights: "10.0.0.1=1000"'),
      'bad.yaml:3 metadata.annotations.sluice.dev/weights holds "10.0.0.1=1000"; write an endpoint\'s address and a weight from 0 to 100, as 10.0.0.5=3',
    ],
    [
      "a weight without quotes",
      slice("a", "10.0.0.1").replace("labels:", "annotations: {sluice.dev/weight: 3}\n  labels:"),
      'bad.yaml:5 metadata.annotations is {"sluice.dev/weight":3}; write a mapping of texts; numbers, true and false need quotes to be text',
    ],
    [
      "a misspelt annotation",
      annotated(service("a", "10.96.0.1"), "sluice.dev/algoritm: maglev"),
      "bad.yaml:3 metadata.annotations.sluice.dev/algoritm means nothing here and is ignored; sluice reads sluice.dev/algorithm and sluice.dev/weights",
    ],
    [
      "a source range that is no text",
      service("a", "10.96.0.1").replace("ports:", "loadBalancerSourceRanges: [10]\n  ports:"),
      "bad.yaml:6 spec.loadBalancerSourceRanges[0] is 10; write text; numbers, true and false need quotes to be text",
    ],
    [
      "a health check port that is no number",
      service("a", "10.96.0.1").replace("ports:", 'healthCheckNodePort: "32000"\n  ports:'),
      'bad.yaml:6 spec.healthCheckNodePort is "32000"; write a whole number without quotes',
    ],
    [
      "a List that is none",
      "kind: List\napiVersion: v1\nitems: 3\n",
      "bad.yaml:3 items is 3; write a list",
    ],
    [
      "a broken object in a List",
      "kind: List\nitems:\n- kind: Service\n",
      "bad.yaml:3 items[0].metadata.name is missing; name the object",
    ],
  ])("%s is named with its line and what mends it; the rest works", async (_, text, expected) => {
    write("bad.yaml", text);
    write("good.yaml", good);
    await open();
    expect(problems()).toEqual([
      expect.stringMatching(expected instanceof RegExp ? expected : /./),
    ]);
    if (typeof expected === "string") expect(problems()).toEqual([expected]);
    expect(seen.lines.some((line) => line.startsWith("+ service good"))).toBe(true);
  });

  it("names the line in JSON as well", async () => {
    write("a.json", `${JSON.stringify({ kind: "List", items: [{ kind: "Service" }] }, null, 1)}\n`);
    write("b.json", '{"kind": "List",\n "items": [}');
    await open();
    expect(problems()).toEqual([
      "a.json:4 items[0].metadata.name is missing; name the object",
      expect.stringMatching(/^b\.json:2:\d+ is not valid YAML: /),
    ]);
  });

  it("reads the documents around a broken one", async () => {
    write("a.yaml", `${service("a", "10.96.0.1")}---\nx: [\n---\n${service("b", "10.96.0.2")}`);
    await open();
    expect(seen.lines.slice(0, 2)).toEqual(["+ service a 10.96.0.1", "+ service b 10.96.0.2"]);
    expect(problems()).toHaveLength(1);
  });

  it("names a file that cannot be read", async () => {
    mkdirSync(join(folder, "folder.yaml"));
    symlinkSync("nowhere", join(folder, "link.yaml"));
    writeFileSync(join(folder, "latin1.yaml"), Buffer.from([0x61, 0x3a, 0x20, 0xe9, 0x0a]));
    write("good.yaml", good);
    await open();
    expect(problems()).toEqual([
      "folder.yaml cannot be read: it is a folder; folders inside are not searched",
      "latin1.yaml cannot be read: it is not UTF-8 text; save it as UTF-8",
      "link.yaml cannot be read: it does not exist; create it, or mend the link that leads to it",
    ]);
    expect(seen.lines).toContain("+ service good 10.96.0.99");
  });

  it("refuses aliases that multiply without bound", async () => {
    const level = (n: number) =>
      `l${n}: &l${n} [${Array(9)
        .fill(`*l${n - 1}`)
        .join(", ")}]`;
    write("bomb.yaml", `l0: &l0 [x]\n${[1, 2, 3, 4, 5, 6].map(level).join("\n")}\n`);
    write("good.yaml", good);
    await open();
    expect(problems()).toEqual([
      expect.stringMatching(/^bomb\.yaml:1 cannot be read: Excessive alias count/),
    ]);
    expect(seen.lines).toContain("+ service good 10.96.0.99");
  });

  it("keeps the last good objects of a file that becomes invalid, until it is mended", async () => {
    write("a.yaml", `${service("a", "10.96.0.1")}---\n${service("b", "10.96.0.2")}`);
    await open();
    seen.clear();
    write("a.yaml", `${service("a", "10.96.0.3")}---\nx: [\n`);
    await saw("+ service a 10.96.0.3");
    expect(problems()).toEqual([
      expect.stringMatching(/^a\.yaml:\d+:\d+ is not valid YAML/),
      "a.yaml 1 object last read from it stay in force until all of it can be read",
    ]);
    expect(seen.count("service-deleted")).toBe(0);
    write("a.yaml", service("a", "10.96.0.3"));
    await saw("- service b");
    expect(problems()).toEqual([]);
  });

  it("keeps the last good version of an object that becomes invalid", async () => {
    write("a.yaml", slice("web-1", "10.0.0.1", "10.0.0.2"));
    await open();
    seen.clear();
    write("a.yaml", slice("web-1", "10.0.0.1", "10.0.0.2O"));
    await says("its last good version stays in force");
    expect(seen.lines).toEqual([]);
    write("a.yaml", slice("web-1", "10.0.0.1", "10.0.0.20"));
    await saw("+ slice web-1 10.0.0.1,10.0.0.20");
    expect(problems()).toEqual([]);
  });

  it("keeps the objects of a file that cannot be read any more", async () => {
    write("a.yaml", service("a", "10.96.0.1"));
    await open();
    seen.clear();
    unlinkSync(join(folder, "a.yaml"));
    symlinkSync("nowhere", join(folder, "a.yaml"));
    await says("1 object last read from it stay in force");
    expect(seen.lines).toEqual([]);
  });

  it("lets the second of two equal objects in when the first goes", async () => {
    write("a.yaml", service("web", "10.96.0.1"));
    write("b.yaml", service("web", "10.96.0.2"));
    await open();
    expect(seen.lines).toContain("+ service web 10.96.0.1");
    unlinkSync(join(folder, "a.yaml"));
    await saw("+ service web 10.96.0.2");
    expect(seen.count("service-deleted")).toBe(0);
  });

  it("reports each problem once, when it appears", async () => {
    const reported: string[] = [];
    write("a.yaml", "kind: Servce\n");
    await open({ report: ({ message }) => reported.push(message), pollMilliseconds: 5 });
    write("b.yaml", service("web", "10.96.0.1"));
    await saw("+ service web 10.96.0.1");
    expect(reported).toEqual(['kind "Servce" is unknown; did you mean Service?']);
  });
});

/** As `kubectl get service,endpointslice,node -o yaml` prints them, shortened in lists only. */
const kubectlList = `apiVersion: v1
items:
- apiVersion: v1
  kind: Service
  metadata:
    annotations:
      kubectl.kubernetes.io/last-applied-configuration: |
        {"apiVersion":"v1"}
    creationTimestamp: "2026-01-02T03:04:05Z"
    generation: 1
    labels:
      component: apiserver
      provider: kubernetes
    name: kubernetes
    namespace: default
    resourceVersion: "231"
    uid: 8a3f3f5e-0e5e-4d5e-8f0e-3f1c2b1a0d9c
  spec:
    allocateLoadBalancerNodePorts: true
    clusterIP: 10.96.0.1
    clusterIPs:
    - 10.96.0.1
    externalTrafficPolicy: Cluster
    internalTrafficPolicy: Cluster
    ipFamilies:
    - IPv4
    ipFamilyPolicy: SingleStack
    ports:
    - name: https
      nodePort: 31234
      port: 443
      protocol: TCP
      targetPort: 6443
    sessionAffinity: ClientIP
    sessionAffinityConfig:
      clientIP:
        timeoutSeconds: 10800
    type: LoadBalancer
  status:
    loadBalancer:
      ingress:
      - ip: 192.0.2.4
        ipMode: VIP
- addressType: IPv4
  apiVersion: discovery.k8s.io/v1
  endpoints:
  - addresses:
    - 192.168.1.5
    conditions:
      ready: true
      serving: true
      terminating: false
    hints:
      forZones:
      - name: z1
    nodeName: n1
    targetRef:
      kind: Pod
      name: a
      namespace: default
      uid: 8a3f3f5e-0e5e-4d5e-8f0e-3f1c2b1a0d9d
    zone: z1
  kind: EndpointSlice
  metadata:
    creationTimestamp: "2026-01-02T03:04:05Z"
    generateName: kubernetes-
    generation: 2
    labels:
      kubernetes.io/service-name: kubernetes
    name: kubernetes
    namespace: default
    ownerReferences:
    - apiVersion: v1
      blockOwnerDeletion: true
      controller: true
      kind: Service
      name: kubernetes
      uid: 8a3f3f5e-0e5e-4d5e-8f0e-3f1c2b1a0d9c
    resourceVersion: "232"
    uid: 8a3f3f5e-0e5e-4d5e-8f0e-3f1c2b1a0d9e
  ports:
  - name: https
    port: 6443
    protocol: TCP
- apiVersion: v1
  kind: Node
  metadata:
    annotations:
      node.alpha.kubernetes.io/ttl: "0"
    creationTimestamp: "2026-01-02T03:04:05Z"
    labels:
      kubernetes.io/hostname: n1
      topology.kubernetes.io/zone: z1
    name: n1
    resourceVersion: "233"
    uid: 8a3f3f5e-0e5e-4d5e-8f0e-3f1c2b1a0d9f
  spec:
    podCIDR: 10.244.0.0/24
    podCIDRs:
    - 10.244.0.0/24
    providerID: kind://docker/kind/n1
    taints:
    - effect: NoSchedule
      key: node-role.kubernetes.io/control-plane
  status:
    addresses:
    - address: 192.168.1.5
      type: InternalIP
    - address: n1
      type: Hostname
    allocatable:
      cpu: "2"
      memory: 8148Mi
      pods: "110"
    capacity:
      cpu: "2"
    conditions:
    - lastHeartbeatTime: "2026-01-02T03:04:05Z"
      message: kubelet is posting ready status
      reason: KubeletReady
      status: "True"
      type: Ready
    daemonEndpoints:
      kubeletEndpoint:
        Port: 10250
    images:
    - names:
      - registry.k8s.io/pause:3.10
      sizeBytes: 320368
    nodeInfo:
      architecture: amd64
      kubeletVersion: v1.36.2
    runtimeHandlers:
    - features:
        recursiveReadOnlyMounts: true
      name: runc
kind: List
metadata:
  resourceVersion: ""
`;
