import { describe, expect, it } from "vitest";
import { pathText } from "../../agent/sources/parse/fault.ts";
import { Interner } from "../../agent/sources/parse/intern.ts";
import { parseService } from "../../agent/sources/parse/service.ts";
import { parseSlice } from "../../agent/sources/parse/slice.ts";

const service = (annotations: object) =>
  parseService(
    {
      metadata: { name: "web", annotations },
      spec: { clusterIP: "10.96.0.1", ports: [{ port: 80 }] },
    },
    new Interner(),
  );
const slice = (annotations: object) =>
  parseSlice(
    {
      metadata: {
        name: "web-1",
        labels: { "kubernetes.io/service-name": "web" },
        annotations,
      },
      addressType: "IPv4",
      endpoints: [{ addresses: ["10.0.0.5"] }, { addresses: ["10.0.0.6"] }],
    },
    new Interner(),
  );
const linesOf = ({ faults }: ReturnType<typeof service> | ReturnType<typeof slice>) =>
  faults.map(({ severity, path, message }) => `${severity}: ${pathText(path)} ${message}`);

describe("sluice.dev/algorithm", () => {
  it.each([
    [{}, "random"],
    [{ "sluice.dev/algorithm": "" }, "random"],
    [{ "sluice.dev/algorithm": "random" }, "random"],
    [{ "sluice.dev/algorithm": "maglev" }, "maglev"],
  ])("of %j picks %s", (annotations, algorithm) => {
    expect(service(annotations)).toMatchObject({ object: { algorithm }, faults: [] });
  });

  it.each(["Maglev", "rr", "random "])("%s is reported, and random is used", (text) => {
    const parsed = service({ "sluice.dev/algorithm": text });
    expect(parsed).toMatchObject({ kind: "object", object: { algorithm: "random" } });
    expect(linesOf(parsed)).toEqual([
      `error: metadata.annotations.sluice.dev/algorithm "${text}" is not an algorithm; write random or maglev`,
    ]);
  });
});

describe("sluice.dev/weights", () => {
  it.each<[string, [string, number][]]>([
    [
      "10.0.0.5=3,10.0.0.6=0",
      [
        ["10.0.0.5", 3],
        ["10.0.0.6", 0],
      ],
    ],
    [
      " 10.0.0.5 = 100 , FD00::0:1=7, ",
      [
        ["10.0.0.5", 100],
        ["fd00::1", 7],
      ],
    ],
    ["", []],
    [",", []],
  ])("%j gives weights by canonical address", (text, weights) => {
    expect(service({ "sluice.dev/weights": text })).toMatchObject({
      object: { weights: new Map(weights) },
      faults: [],
    });
  });

  it.each([
    "10.0.0.5",
    "10.0.0.5=",
    "=3",
    "10.0.0.5=-1",
    "10.0.0.5=101",
    "10.0.0.5=1.5",
    "10.0.0.5=1e1",
    "10.0.0.5=1=2",
    "10.0.0.5:8080=1",
    "web-1=3",
  ])("without the entry %s, which is reported", (entry) => {
    const parsed = service({ "sluice.dev/weights": `10.0.0.7=2,${entry},10.0.0.8=0` });
    expect(parsed).toMatchObject({
      kind: "object",
      object: {
        weights: new Map([
          ["10.0.0.7", 2],
          ["10.0.0.8", 0],
        ]),
      },
    });
    expect(linesOf(parsed)).toEqual([
      `error: metadata.annotations.sluice.dev/weights holds "${entry}"; write an endpoint's address ` +
        "and a weight from 0 to 100, as 10.0.0.5=3",
    ]);
  });

  it("takes the first of two weights of one address, and says so", () => {
    const parsed = service({ "sluice.dev/weights": "fd00::1=2,FD00::1=3" });
    expect(parsed).toMatchObject({ object: { weights: new Map([["fd00::1", 2]]) } });
    expect(linesOf(parsed)).toEqual([
      "error: metadata.annotations.sluice.dev/weights gives fd00::1 two weights and the first counts; remove one",
    ]);
  });
});

describe("sluice.dev/weight", () => {
  it.each([
    [{}, 1],
    [{ "sluice.dev/weight": "" }, 1],
    [{ "sluice.dev/weight": "0" }, 0],
    [{ "sluice.dev/weight": "3" }, 3],
    [{ "sluice.dev/weight": "100" }, 100],
  ])("of %j on a slice weighs its endpoints %d", (annotations, weight) => {
    expect(slice(annotations)).toMatchObject({
      object: { endpoints: [{ weight }, { weight }] },
      faults: [],
    });
  });

  it.each(["101", "-1", "1.5", "heavy", " 3", "0x3"])("%s is reported, and 1 is used", (text) => {
    const parsed = slice({ "sluice.dev/weight": text });
    expect(parsed).toMatchObject({ object: { endpoints: [{ weight: 1 }, { weight: 1 }] } });
    expect(linesOf(parsed)).toEqual([
      `error: metadata.annotations.sluice.dev/weight "${text}" is not a weight; write "0" to "100", where 0 drains`,
    ]);
  });
});

describe("an annotation of sluice's that means nothing", () => {
  it("is named, with those that the object may have; others' are passed over", () => {
    expect(linesOf(service({ "sluice.dev/weight": "3", "example.com/weight": "3" }))).toEqual([
      "warning: metadata.annotations.sluice.dev/weight means nothing here and is ignored; sluice reads sluice.dev/algorithm and sluice.dev/weights",
    ]);
    expect(linesOf(slice({ "sluice.dev/weights": "10.0.0.5=3" }))).toEqual([
      "warning: metadata.annotations.sluice.dev/weights means nothing here and is ignored; sluice reads sluice.dev/weight",
    ]);
  });
});

describe("annotations that are no texts", () => {
  it.each([7, null, [], { "sluice.dev/algorithm": 3, "sluice.dev/weights": {} }])(
    "count as none: %j (B7)",
    (annotations) => {
      expect(service(annotations as object)).toMatchObject({
        object: { algorithm: "random", weights: new Map() },
        faults: [],
      });
    },
  );
});
