import { describe, expect, it } from "vitest";
import { comparePorts, portKey, serviceKey } from "../../agent/compile/key.ts";
import type { ServicePortId } from "../../agent/compile/records.ts";

const id: ServicePortId = {
  namespace: "default",
  name: "web",
  portName: "http",
  protocol: "TCP",
  family: "IPv4",
};

describe("keys", () => {
  it("name a Service and a Service port", () => {
    expect(serviceKey("default", "web")).toBe("default/web");
    expect(portKey(id)).toBe("default/web:http/TCP/IPv4");
    expect(portKey({ ...id, portName: "", protocol: "UDP", family: "IPv6" })).toBe(
      "default/web:/UDP/IPv6",
    );
  });

  it("order by namespace, name, port name, protocol and family", () => {
    const ports: readonly ServicePortId[] = [
      { ...id, namespace: "a-b", name: "a" },
      { ...id, namespace: "a", name: "z" },
      { ...id, family: "IPv6" },
      { ...id, protocol: "UDP" },
      { ...id, portName: "" },
      id,
    ];
    expect(ports.toSorted(comparePorts).map(portKey)).toEqual([
      "a/z:http/TCP/IPv4",
      "a-b/a:http/TCP/IPv4",
      "default/web:/TCP/IPv4",
      "default/web:http/TCP/IPv4",
      "default/web:http/TCP/IPv6",
      "default/web:http/UDP/IPv4",
    ]);
    expect(comparePorts(id, { ...id })).toBe(0);
  });
});
