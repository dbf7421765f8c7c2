import { describe, expect, it } from "vitest";
import { refusedRanges } from "../../agent/compile/service_cidr.ts";

const refused = (cidrs: readonly string[], foreign: readonly string[] = []) => [
  ...refusedRanges(cidrs, foreign),
];

describe("the ranges in which nobody answers", () => {
  it("are the ServiceCIDRs, each once (KP-31)", () => {
    expect(refused(["10.96.0.0/16", "fd00:96::/112", "10.96.0.0/16"])).toEqual([
      "10.96.0.0/16",
      "fd00:96::/112",
    ]);
  });

  it("leave out the addresses of other proxies, and nothing else (KP-01)", () => {
    expect(refused(["10.96.0.0/29"], ["10.96.0.0", "10.96.0.7", "10.96.0.8"])).toEqual([
      "10.96.0.1/32",
      "10.96.0.2/31",
      "10.96.0.4/31",
      "10.96.0.6/32",
    ]);
    expect(refused(["fd00:96::/126", "10.0.0.0/8"], ["fd00:96::3", "11.0.0.1"])).toEqual([
      "fd00:96::/127",
      "fd00:96::2/128",
      "10.0.0.0/8",
    ]);
  });

  it("are none where a range is one address of another proxy (KP-01)", () => {
    expect(refused(["10.96.0.1/32"], ["10.96.0.1"])).toEqual([]);
  });

  it("stay few however large the range is", () => {
    expect(refused(["10.0.0.0/8"], ["10.1.2.3"])).toHaveLength(24);
    expect(refused(["fd00::/64"], ["fd00::1:2"])).toHaveLength(64);
  });
});
