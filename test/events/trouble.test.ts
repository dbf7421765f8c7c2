import { describe, expect, it } from "vitest";
import { failureEvent, problemEvent } from "../../agent/events/trouble.ts";

describe("the event of a failure", () => {
  it("is about the Service, and names the port", () => {
    const failure = { key: "shop/web:http/TCP/IPv4", code: "full", message: "no room" } as const;
    expect(failureEvent(failure)).toEqual({
      regarding: { apiVersion: "v1", kind: "Service", namespace: "shop", name: "web" },
      reason: "ServiceMapFull",
      action: "ProgramService",
      note: "port http/TCP/IPv4 is not programmed: no room",
    });
  });

  it("names what else went wrong by its reason", () => {
    const of = (code: "conflict" | "write") =>
      failureEvent({ key: "shop/web:/UDP/IPv6", code, message: "m" })?.reason;
    expect([of("conflict"), of("write")]).toEqual([
      "ServiceAddressConflict",
      "FailedToProgramService",
    ]);
  });

  it("is none where it is of no Service", () => {
    expect(failureEvent({ key: "guards", code: "write", message: "m" })).toBeUndefined();
  });
});

describe("the event of a problem", () => {
  it("is about the object that has it", () => {
    const note = "has a range that is no CIDR";
    const of = (target: string) =>
      problemEvent({ code: "invalid-source-range", target, message: note })?.regarding;
    expect(of("Service shop/web")).toMatchObject({ kind: "Service", name: "web" });
    expect(of("EndpointSlice shop/web-x7k2p")).toEqual({
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      namespace: "shop",
      name: "web-x7k2p",
    });
    expect(of("b.yaml")).toBeUndefined();
  });
});
