import fc from "fast-check";
import { expect, it } from "vitest";
import { LineSplitter } from "../../agent/sources/kubernetes/lines.ts";
import { ListSplitter } from "../../agent/sources/kubernetes/listsplitter.ts";

/** A text's bytes, cut at arbitrary places. */
const chunksOf = (text: string, cuts: readonly number[]): Buffer[] => {
  const bytes = Buffer.from(text);
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places]
    .map((from, index) => bytes.subarray(from, places[index] ?? bytes.length))
    .filter((chunk) => chunk.length > 0);
};

const cuts = fc.array(fc.nat(10_000), { maxLength: 20 });
const object = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ maxDepth: 3 }));

it("takes a List apart into its objects and its frame, however its bytes are cut", () => {
  fc.assert(
    fc.property(object, fc.array(object), cuts, fc.boolean(), (metadata, items, where, isLast) => {
      const rest = { kind: "ServiceList", apiVersion: "v1" };
      const list = isLast ? { ...rest, metadata, items } : { metadata, items, ...rest };
      const splitter = new ListSplitter();
      const chunks = chunksOf(`${JSON.stringify(list, null, 1)}\n`, where);
      const texts = chunks.flatMap((chunk) => splitter.push(chunk));
      expect(texts.map((text) => JSON.parse(text))).toEqual(JSON.parse(JSON.stringify(items)));
      const frame = JSON.parse(JSON.stringify({ ...rest, metadata, items: [] }));
      expect(JSON.parse(splitter.frame())).toEqual(frame);
    }),
    { numRuns: 300 },
  );
});

it("takes null for an empty List, as Go writes it", () => {
  const splitter = new ListSplitter();
  expect(splitter.push(Buffer.from('{"metadata":{"resourceVersion":"1"},"items":null}'))).toEqual(
    [],
  );
  expect(JSON.parse(splitter.frame())).toEqual({ metadata: { resourceVersion: "1" }, items: null });
});

it.each(["", "<html>]}{</html>", "[1]", '{"items":[{"a":1}', "]]]]", '"'])(
  "leaves what is no List to the parser of its frame: %s",
  (text) => {
    const splitter = new ListSplitter();
    if (text !== "") splitter.push(Buffer.from(text));
    let frame: unknown;
    try {
      frame = JSON.parse(splitter.frame());
    } catch {}
    expect(frame).not.toMatchObject({ metadata: {} });
  },
);

it("cuts a stream into lines, however its bytes are cut", () => {
  const line = fc
    .string({ unit: "binary", minLength: 1 })
    .filter((text) => !/[\r\n\uD800-\uDFFF]/.test(text));
  fc.assert(
    fc.property(fc.array(line), cuts, (lines, where) => {
      const splitter = new LineSplitter();
      const chunks = chunksOf(lines.map((text) => `${text}\n`).join(""), where);
      expect(chunks.flatMap((chunk) => splitter.push(chunk))).toEqual(lines);
    }),
    { numRuns: 300 },
  );
});

it("keeps an unfinished line to itself and passes over empty ones", () => {
  const splitter = new LineSplitter();
  expect(splitter.push(Buffer.from("a\n\n\r\nb"))).toEqual(["a"]);
  expect(splitter.push(Buffer.from("c\n"))).toEqual(["bc"]);
});
