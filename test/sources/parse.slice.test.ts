import { describe, expect, it } from "vitest";
import { pathText } from "../../agent/sources/parse/fault.ts";
import { Interner } from "../../agent/sources/parse/intern.ts";
import { parseNode } from "../../agent/sources/parse/node.ts";
import { parseSlice } from "../../agent/sources/parse/slice.ts";

const metadata = {
  namespace: "default",
  name: "web-x1",
  labels: { "kubernetes.io/service-name": "web" },
};

const parse = (fields: object) =>
  parseSlice({ metadata, addressType: "IPv4", ...fields }, new Interner());
const faultsOf = (fields: object) =>
  parse(fields).faults.map(({ path, message }) => `${pathText(path)} ${message}`);

const endpoint = {
  address: "10.244.0.5",
  ready: true,
  serving: true,
  terminating: false,
  nodeName: undefined,
  weight: 1,
  zoneHints: undefined,
  nodeHints: undefined,
};

describe("an EndpointSlice", () => {
  it("is trimmed to what decides translation", () => {
    const parsed = parse({
      endpoints: [
        {
          addresses: ["10.244.0.5", "10.244.0.6"],
          conditions: { ready: false, serving: true, terminating: true },
          nodeName: "n1",
          zone: "z1",
          targetRef: { kind: "Pod", name: "web-1" },
          hints: { forZones: [{ name: "z1" }, { name: "z2" }], forNodes: [{ name: "n1" }] },
        },
      ],
      ports: [{ name: "http", port: 8080, protocol: "TCP", appProtocol: "http" }],
    });
    expect(parsed).toEqual({
      kind: "object",
      object: {
        namespace: "default",
        name: "web-x1",
        serviceName: "web",
        family: "IPv4",
        ports: [{ name: "http", protocol: "TCP", port: 8080 }],
        endpoints: [
          {
            ...endpoint,
            ready: false,
            terminating: true,
            nodeName: "n1",
            zoneHints: ["z1", "z2"],
            nodeHints: ["n1"],
          },
        ],
      },
      faults: [],
    });
  });

  it("keeps the time of the change that the controller names, and nothing that is no time", () => {
    const at = (time: string) =>
      parse({
        metadata: {
          namespace: "default",
          name: "web-x1",
          labels: { "kubernetes.io/service-name": "web" },
          annotations: { "endpoints.kubernetes.io/last-change-trigger-time": time },
        },
      });
    expect(at("2026-01-02T03:04:05.5Z")).toMatchObject({ object: { changedAt: 1767323045500 } });
    expect(at("yesterday")).not.toHaveProperty("object.changedAt");
  });

  it.each([
    ["absent", {}],
    ["null", { conditions: null }],
    ["of null", { conditions: { ready: null, serving: null, terminating: null } }],
  ])("takes conditions that are %s as ready, serving, not terminating (KP-03)", (_, item) => {
    const parsed = parse({ endpoints: [{ addresses: ["10.244.0.5"], ...item }] });
    expect(parsed).toMatchObject({ object: { endpoints: [endpoint] }, faults: [] });
  });

  it("passes over a port without name or number (KP-03)", () => {
    const ports = [
      { port: 1 },
      { name: "a" },
      { name: "b", port: null },
      { name: "c", port: 0 },
      { name: "", port: 80 },
    ];
    expect(parse({ ports })).toMatchObject({
      object: { ports: [{ name: "", protocol: "TCP", port: 80 }] },
      faults: [],
    });
  });

  it("of host names is skipped (KP-03)", () => {
    expect(parse({ addressType: "FQDN" })).toEqual({ kind: "skipped", faults: [] });
  });

  it("of a headless Service is skipped (KP-01)", () => {
    const labels = { ...metadata.labels, "service.kubernetes.io/headless": "" };
    expect(parse({ metadata: { ...metadata, labels } })).toEqual({ kind: "skipped", faults: [] });
  });

  it("without the name of its Service is skipped, and says what is missing (KP-03)", () => {
    expect(parse({ metadata: { ...metadata, labels: {} } }).kind).toBe("skipped");
    expect(faultsOf({ metadata: { ...metadata, labels: {} } })).toEqual([
      "metadata.labels lacks kubernetes.io/service-name, so these endpoints belong to no Service: add it with the Service's name",
    ]);
  });

  it("writes IPv6 addresses in canonical text", () => {
    const parsed = parse({ addressType: "IPv6", endpoints: [{ addresses: ["FD00::0:5"] }] });
    expect(parsed).toMatchObject({ object: { endpoints: [{ address: "fd00::5" }] }, faults: [] });
  });

  it.each([
    [
      { addresses: ["fd00::5"] },
      'endpoints[0].addresses[0] "fd00::5" is no IPv4 address; move it to an EndpointSlice with the other addressType',
    ],
    [
      { addresses: ["10.244.0.300"] },
      'endpoints[0].addresses[0] "10.244.0.300" is not an IP address of a host; write it as 10.0.0.1 or fd00::1',
    ],
    [{ addresses: [] }, "endpoints[0].addresses is empty: an endpoint needs an address"],
    [{}, "endpoints[0].addresses is empty: an endpoint needs an address"],
  ])("leaves out the endpoint %j alone (B7)", (item, fault) => {
    const endpoints = [item, { addresses: ["10.244.0.5"] }];
    expect(parse({ endpoints })).toMatchObject({ object: { endpoints: [endpoint] } });
    expect(faultsOf({ endpoints })).toEqual([fault]);
  });

  it("does not take a v4-mapped address for IPv6 (B7)", () => {
    const fields = { addressType: "IPv6", endpoints: [{ addresses: ["::ffff:10.0.0.1"] }] };
    expect(parse(fields)).toMatchObject({ object: { endpoints: [] } });
  });

  it("names an address that is listed twice and leaves the choice to the model (KP-03, B7)", () => {
    const endpoints = [{ addresses: ["10.244.0.5"] }, { addresses: ["10.244.0.5"] }];
    expect(parse({ endpoints })).toMatchObject({ object: { endpoints: [endpoint, endpoint] } });
    expect(faultsOf({ endpoints })).toEqual([
      "endpoints[1].addresses[0] 10.244.0.5 is an endpoint already (endpoints[0]) and counts once; remove one of the two",
    ]);
  });

  it.each([
    { addressType: "ipv4" },
    { addressType: undefined },
    { metadata: null },
    { metadata: { name: "" } },
  ])("with %j is invalid (B7)", (fields) => {
    expect(parse(fields).kind).toBe("invalid");
  });

  it.each([
    { endpoints: 7 },
    { endpoints: [null, 7, "x", { addresses: "10.0.0.1" }, { addresses: [null] }] },
    { ports: "80" },
    { ports: [null, 7] },
    { endpoints: null, ports: null },
    { endpoints: [{ addresses: ["10.0.0.300"], hints: { forZones: 7 }, conditions: 3 }] },
  ])("does not crash on %j (B7)", (fields) => {
    expect(parse(fields)).toMatchObject({ kind: "object", object: { endpoints: [], ports: [] } });
  });

  it("shares equal texts and lists of hints in memory", () => {
    const interner = new Interner();
    const item = () => ({
      addresses: ["10.0.0.1"],
      hints: { forZones: [{ name: ["zone", "a"].join("-") }] },
    });
    const raw = () => ({ metadata, addressType: "IPv4", endpoints: [item()] });
    const [a, b] = [parseSlice(raw(), interner), parseSlice(raw(), interner)];
    if (a.kind !== "object" || b.kind !== "object") throw new Error("not parsed");
    expect(a.object.endpoints[0]?.zoneHints).toBe(b.object.endpoints[0]?.zoneHints);
  });
});

describe("a Node", () => {
  const raw = {
    metadata: { name: "n1", labels: { "topology.kubernetes.io/zone": "z1" } },
    spec: {},
    status: {
      addresses: [
        { type: "Hostname", address: "n1" },
        { type: "ExternalIP", address: "192.0.2.1" },
        { type: "InternalIP", address: "10.0.0.1" },
        { type: "InternalIP", address: "FD00::1" },
      ],
    },
  };

  it("gives its zone and its addresses, internal ones first (KP-05)", () => {
    expect(parseNode(raw, "n1")).toEqual({
      kind: "object",
      object: {
        name: "n1",
        zone: "z1",
        addresses: ["10.0.0.1", "fd00::1", "192.0.2.1"],
        leaving: false,
      },
      faults: [],
    });
  });

  it("of another name is skipped (KP-01)", () => {
    expect(parseNode(raw, "n2")).toEqual({ kind: "skipped", faults: [] });
  });

  it.each([
    [
      "a deletion time",
      { metadata: { ...raw.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } },
    ],
    ["the autoscaler's taint", { spec: { taints: [{ key: "ToBeDeletedByClusterAutoscaler" }] } }],
  ])("is leaving with %s (KP-41)", (_, fields) => {
    expect(parseNode({ ...raw, ...fields }, "n1")).toMatchObject({ object: { leaving: true } });
  });
});
