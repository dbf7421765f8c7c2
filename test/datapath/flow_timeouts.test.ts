import { describe, expect, it } from "vitest";
import { ticksOf, writeFlowTimeouts, writeSnatPorts } from "../../agent/datapath/flow_settings.ts";
import { resolveFlowTimeouts } from "../../agent/datapath/flow_timeouts.ts";
import { SettingsArray } from "../../bpf/build/layout.ts";

const nothing = {
  tcpOpening: undefined,
  tcpEstablished: undefined,
  tcpClosing: undefined,
  tcpClosed: undefined,
  udp: undefined,
  udpStream: undefined,
};

describe("the timeouts of flows", () => {
  it("are the kernel's where neither a setting nor nf_conntrack says anything, and kube-proxy's for open connections (KP-53)", () => {
    expect(resolveFlowTimeouts(nothing, () => undefined)).toEqual({
      tcpOpening: 120,
      tcpEstablished: 86_400,
      tcpClosing: 3_600,
      tcpClosed: 10,
      udp: 30,
      udpStream: 120,
    });
  });

  it("are those of the node's nf_conntrack, unless a setting says another", () => {
    const sysctls: Readonly<Record<string, number>> = {
      nf_conntrack_tcp_timeout_syn_sent: 1,
      nf_conntrack_tcp_timeout_established: 2,
      nf_conntrack_tcp_timeout_fin_wait: 3,
      nf_conntrack_tcp_timeout_close_wait: 3,
      nf_conntrack_tcp_timeout_close: 4,
      nf_conntrack_udp_timeout: 5,
      nf_conntrack_udp_timeout_stream: 6,
    };
    expect(resolveFlowTimeouts({ ...nothing, udp: 50 }, (name) => sysctls[name])).toEqual({
      tcpOpening: 1,
      tcpEstablished: 2,
      tcpClosing: 3_600,
      tcpClosed: 4,
      udp: 50,
      udpStream: 6,
    });
  });

  it("reach the programs in ticks of 2^30 ns, rounded up and never too long for their clock", () => {
    expect([1, 10, 30, 120, 86_400, 1e12].map(ticksOf)).toEqual([
      1, 10, 28, 112, 80_467, 2_147_483_647,
    ]);
    const settings = new SettingsArray(new ArrayBuffer(SettingsArray.stride));
    const timeouts = { tcpOpening: 120, tcpEstablished: 86_400, tcpClosing: 60, tcpClosed: 10 };
    writeFlowTimeouts(settings, { ...timeouts, udp: 30, udpStream: 180 });
    expect([
      settings.tcpOpening(0),
      settings.tcpEstablished(0),
      settings.tcpClosing(0),
      settings.tcpClosed(0),
      settings.udp(0),
      settings.udpStream(0),
    ]).toEqual([112, 80_467, 56, 10, 28, 168]);
  });
});

it("the ports of masqueraded flows are never an empty range while they change (PF-28)", () => {
  const settings = new SettingsArray(new ArrayBuffer(SettingsArray.stride));
  const seen: string[] = [];
  const watched = new Proxy(settings, {
    get(target, name) {
      const member = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => {
        const result = member.apply(target, args);
        if (String(name).startsWith("set")) {
          seen.push(`${target.snatPortFirst(0)}-${target.snatPortLast(0)}`);
        }
        return result;
      };
    },
  });
  writeSnatPorts(watched, { first: 61_000, last: 65_535 });
  writeSnatPorts(watched, { first: 1024, last: 2047 });
  writeSnatPorts(watched, { first: 2000, last: 3000 });
  expect(seen).toEqual([
    "0-65535",
    "61000-65535",
    "1024-65535",
    "1024-2047",
    "2000-2047",
    "2000-3000",
  ]);
});
