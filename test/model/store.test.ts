import { describe, expect, it } from "vitest";
import type { SourceEvent } from "../../agent/model/event.ts";
import { type Change, Store } from "../../agent/model/store.ts";
import { node, service, slice } from "./objects.ts";

const put = (name: string, serviceName: string): SourceEvent => ({
  kind: "slice",
  slice: slice({ name, serviceName }),
});
const dirty = (change: Change) => [...change.services].sort();
const sliceNames = (store: Store, key: string) => store.slicesOf(key).map(({ name }) => name);

describe("Store", () => {
  it("holds the objects that it was handed, uncopied", () => {
    const store = new Store("node-a");
    const web = service();
    const webSlice = slice();
    store.apply([
      { kind: "service", service: web },
      { kind: "slice", slice: webSlice },
    ]);
    expect(store.service("default/web")).toBe(web);
    expect(store.slicesOf("default/web")[0]).toBe(webSlice);
    expect([...store.services()]).toEqual([["default/web", web]]);
    expect([store.serviceCount, store.sliceCount]).toEqual([1, 1]);
  });

  it("names the Service of a changed slice and no other (PF-09)", () => {
    const store = new Store("node-a");
    store.apply([put("web-1", "web"), put("web-2", "web"), put("db-1", "db")]);
    const change = store.apply([put("web-1", "web")]);
    expect(dirty(change)).toEqual(["default/web"]);
    expect(change.everything).toBe(false);
    expect(sliceNames(store, "default/web")).toEqual(["web-1", "web-2"]);
  });

  it("replaces a slice rather than adding it twice", () => {
    const store = new Store("node-a");
    store.apply([put("web-1", "web")]);
    const newer = slice({ ports: [] });
    store.apply([{ kind: "slice", slice: newer }]);
    expect(store.slicesOf("default/web")).toEqual([newer]);
    expect(store.sliceCount).toBe(1);
  });

  it("moves a slice whose service label changed, and names both Services (KP-03)", () => {
    const store = new Store("node-a");
    store.apply([put("x", "web"), put("y", "web")]);
    expect(dirty(store.apply([put("x", "db")]))).toEqual(["default/db", "default/web"]);
    expect(sliceNames(store, "default/web")).toEqual(["y"]);
    expect(sliceNames(store, "default/db")).toEqual(["x"]);
    expect(store.sliceCount).toBe(2);
  });

  it("keeps namespaces apart", () => {
    const store = new Store("node-a");
    const change = store.apply([
      put("x", "web"),
      { kind: "slice", slice: slice({ namespace: "other", name: "x" }) },
    ]);
    expect(dirty(change)).toEqual(["default/web", "other/web"]);
    expect(store.slicesOf("default/web")).toHaveLength(1);
    expect(store.slicesOf("other/web")).toHaveLength(1);
  });

  it("takes slices before their Service, and keeps them when it goes", () => {
    const store = new Store("node-a");
    expect(dirty(store.apply([put("web-1", "web")]))).toEqual(["default/web"]);
    store.apply([{ kind: "service", service: service() }]);
    const gone = store.apply([{ kind: "service-deleted", namespace: "default", name: "web" }]);
    expect(dirty(gone)).toEqual(["default/web"]);
    expect(store.service("default/web")).toBeUndefined();
    expect(sliceNames(store, "default/web")).toEqual(["web-1"]);
  });

  it("forgets a deleted slice", () => {
    const store = new Store("node-a");
    store.apply([put("web-1", "web"), put("web-2", "web")]);
    const change = store.apply([{ kind: "slice-deleted", namespace: "default", name: "web-1" }]);
    expect(dirty(change)).toEqual(["default/web"]);
    expect(sliceNames(store, "default/web")).toEqual(["web-2"]);
    store.apply([{ kind: "slice-deleted", namespace: "default", name: "web-2" }]);
    expect(store.slicesOf("default/web")).toEqual([]);
    expect(store.sliceCount).toBe(0);
  });

  it("sees no change in the deletion of what it never held", () => {
    const store = new Store("node-a");
    const change = store.apply([
      { kind: "service-deleted", namespace: "default", name: "web" },
      { kind: "slice-deleted", namespace: "default", name: "web-1" },
      { kind: "node-deleted", name: "node-a" },
    ]);
    expect(dirty(change)).toEqual([]);
    expect(change.everything).toBe(false);
  });

  it("holds each range of ClusterIPs once, and says when they may have changed (KP-31)", () => {
    const store = new Store("node-a");
    const put = (name: string, ...cidrs: string[]) =>
      store.apply([{ kind: "service-cidr", serviceCidr: { name, cidrs } }]).serviceCidrs;
    expect(put("kubernetes", "10.96.0.0/16", "fd00:96::/112")).toBe(true);
    expect(put("more", "10.96.0.0/16", "10.97.0.0/16")).toBe(true);
    expect([...store.serviceCidrs()]).toEqual(["10.96.0.0/16", "fd00:96::/112", "10.97.0.0/16"]);
    expect(store.apply([{ kind: "service", service: service() }]).serviceCidrs).toBe(false);
    const gone = store.apply([{ kind: "service-cidr-deleted", name: "kubernetes" }]);
    expect(gone).toMatchObject({ serviceCidrs: true, everything: false });
    expect([...store.serviceCidrs()]).toEqual(["10.96.0.0/16", "10.97.0.0/16"]);
    expect(store.apply([{ kind: "synced", resource: "servicecidrs" }]).serviceCidrs).toBe(true);
    expect(store.ready).toBe(false);
  });

  it("holds the addresses of other proxies' Services beside its own (KP-01)", () => {
    const store = new Store("node-a");
    const names = { namespace: "default", name: "theirs" };
    const change = store.apply([
      { kind: "foreign-service", ...names, addresses: ["10.96.0.9", "fd00::9"] },
    ]);
    expect(change.serviceCidrs).toBe(true);
    expect(dirty(change)).toEqual([]);
    expect([...store.foreignAddresses()]).toEqual(["10.96.0.9", "fd00::9"]);
    expect(store.serviceCount).toBe(0);
    store.apply([{ kind: "foreign-service-deleted", ...names }]);
    expect([...store.foreignAddresses()]).toEqual([]);
  });

  it("is ready once Services and EndpointSlices are synced, node or not (KP-04, KP-05)", () => {
    const store = new Store("node-a");
    store.apply([{ kind: "synced", resource: "nodes" }]);
    expect(store.ready).toBe(false);
    store.apply([{ kind: "synced", resource: "services" }]);
    expect(store.ready).toBe(false);
    store.apply([{ kind: "synced", resource: "endpointslices" }]);
    expect(store.ready).toBe(true);
    expect(store.node).toBeUndefined();
    expect([...store.synced].sort()).toEqual(["endpointslices", "nodes", "services"]);
  });

  it.each<[string, readonly SourceEvent[], boolean]>([
    ["appears with a zone", [{ kind: "node", node: node() }], true],
    ["appears without a zone", [{ kind: "node", node: node({ zone: undefined }) }], false],
    ["is another one", [{ kind: "node", node: node({ name: "node-b" }) }], false],
    [
      "appears and vanishes in one batch",
      [
        { kind: "node", node: node() },
        { kind: "node-deleted", name: "node-a" },
      ],
      false,
    ],
  ])("knows what the zone alters when the node %s (KP-05, KP-11)", (_, events, everything) => {
    expect(new Store("node-a").apply(events).everything).toBe(everything);
  });

  it.each<[string, SourceEvent, boolean]>([
    ["its zone changes", { kind: "node", node: node({ zone: "zone-2" }) }, true],
    ["it loses its zone", { kind: "node", node: node({ zone: undefined }) }, true],
    ["it is deleted", { kind: "node-deleted", name: "node-a" }, true],
    ["another is deleted", { kind: "node-deleted", name: "node-b" }, false],
    ["it is leaving", { kind: "node", node: node({ leaving: true }) }, false],
    ["its addresses change", { kind: "node", node: node({ addresses: ["192.0.2.9"] }) }, false],
  ])("knows what a known node alters when %s (KP-05, KP-11)", (_, event, everything) => {
    const store = new Store("node-a");
    store.apply([{ kind: "node", node: node() }]);
    expect(store.node?.zone).toBe("zone-1");
    const change = store.apply([event]);
    expect(change.everything).toBe(everything);
    expect(dirty(change)).toEqual([]);
  });
});
