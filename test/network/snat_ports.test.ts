import { describe, expect, it } from "vitest";
import {
  chooseSnatPorts,
  type LocalPorts,
  parsePorts,
  readLocalPorts,
} from "../../agent/network/snat_ports.ts";

const local = (first: number, last: number, reserved = ""): LocalPorts => ({
  range: { first, last },
  reserved: parsePorts(reserved),
});

describe("by itself, masquerading takes the largest range", () => {
  it.each([
    ["below the kernel's default range", local(32_768, 60_999), 1024, 29_999],
    ["above a range that begins low", local(1024, 40_000), 40_001, 65_535],
    ["between the range and NodePorts", local(1024, 10_000), 32_768, 65_535],
    ["below NodePorts that a wide range joins", local(15_000, 65_535), 1024, 14_999],
    ["above NodePorts where all below is taken", local(1024, 32_000), 32_768, 65_535],
  ])("%s", (_, ports, first, last) => {
    expect(chooseSnatPorts("auto", ports)).toEqual({ first, last });
  });

  it("and says so where nothing is left", () => {
    expect(() => chooseSnatPorts("auto", local(1024, 65_535))).toThrow(
      "--snat-port-range: net.ipv4.ip_local_port_range leaves no ports: name a range that net.ipv4.ip_local_reserved_ports holds",
    );
  });
});

describe("a given range", () => {
  const given = { first: 55_000, last: 62_000 };

  it("is taken where the node's sockets are given none of it", () => {
    expect(chooseSnatPorts(given, local(32_768, 54_999))).toEqual(given);
  });

  it("is refused where they are, with the setting that mends it", () => {
    expect(() => chooseSnatPorts(given, local(32_768, 60_999))).toThrow(
      `--snat-port-range: the node's own sockets are given 55000-60999: run "sysctl net.ipv4.ip_local_reserved_ports=55000-60999", added to what is there, or name another range`,
    );
  });

  it("is taken where those ports are reserved, in one piece or in several", () => {
    expect(chooseSnatPorts(given, local(32_768, 60_999, "55000-60999"))).toEqual(given);
    const pieces = "8080,57001-61000,54000-57000";
    expect(chooseSnatPorts(given, local(32_768, 60_999, pieces))).toEqual(given);
  });

  it("is refused where one of them is not reserved", () => {
    const pieces = local(32_768, 60_999, "55000-57000,57002-60999");
    expect(() => chooseSnatPorts(given, pieces)).toThrow("are given 55000-60999");
  });
});

it("this machine's ports can be read", () => {
  const { range } = readLocalPorts();
  expect(range.first).toBeGreaterThan(0);
  expect(range.last).toBeGreaterThan(range.first);
  expect(range.last).toBeLessThan(65_536);
});
