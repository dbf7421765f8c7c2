import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildDatapathImage } from "./datapath.ts";
import type { Report } from "./guest/report.ts";
import { chosenKernels } from "./kernels.ts";
import { type ReportImage, reportFrom } from "./report.ts";

let image: ReportImage;
beforeAll(async () => {
  image = await buildDatapathImage();
});
afterAll(() => image?.remove());

describe.each(chosenKernels())("on kernel $name", (kernel) => {
  const isFloor = kernel.name === "5.10";
  let report: Report;

  beforeAll(async () => {
    report = await reportFrom<Report>(kernel, image);
  });

  it("runs the kernel that was asked for", () => {
    expect(report.kernel).toMatch(kernel.name === "newest" ? /^[7-9]\./ : `${kernel.name}.`);
  });

  it("loads every socket program and attaches it to the cgroup (PF-05, PF-07)", () => {
    expect(report.status.datapath.programs).toEqual([
      { name: "sluice_sock_release", attached: true },
      { name: "sluice_getpeername4", attached: true },
      { name: "sluice_getpeername6", attached: true },
      { name: "sluice_recvmsg4", attached: true },
      { name: "sluice_recvmsg6", attached: true },
      { name: "sluice_sendmsg4", attached: true },
      { name: "sluice_sendmsg6", attached: true },
      { name: "sluice_connect4", attached: true },
      { name: "sluice_connect6", attached: true },
    ]);
  });

  it("reaches no ClusterIP before the agent runs", () => {
    expect(report.before).toEqual({ error: "ENETUNREACH" });
  });

  it("translates connections and datagrams to ClusterIPs of both families (KP-33)", () => {
    const v4 = { backend: "10.244.0.11", peer: "10.96.0.10 80" };
    const v6 = { backend: "fd00:244::11", peer: "fd00:96::10 80" };
    expect(report.served).toEqual({
      tcp4: v4,
      tcp6: v6,
      tcpMapped: { backend: "10.244.0.11", peer: "::ffff:10.96.0.10 80" },
      udp4: v4,
      udp6: v6,
      udpConnected4: v4,
      udpConnected6: v6,
    });
  });

  it("refuses connections to a Service without endpoints (KP-14, PF-25)", () => {
    const refused = { error: "ECONNREFUSED" };
    // Before 5.18 a hook cannot choose the errno of sendto(2).
    const refusedSend = isFloor ? { error: "EPERM" } : refused;
    expect(report.refused).toEqual({
      tcp4: refused,
      tcp6: refused,
      tcpMapped: refused,
      udp4: refusedSend,
      udp6: refusedSend,
      udpConnected4: refused,
      udpConnected6: refused,
    });
  });

  it("refuses a port that nobody serves, and serves NodePorts at the loopback (KP-27, KP-31)", () => {
    expect(report.unserved).toEqual({ error: "ECONNREFUSED" });
    const v4 = { backend: "10.244.1.2 to 10.244.1.1", peer: "127.0.0.1 30020" };
    const v6 = { backend: "fd00:244:1::2 to fd00:244:1::1", peer: "::1 30020" };
    expect(report.loopback).toEqual({ tcp4: v4, tcp6: v6, udp4: v4, udp6: v6 });
  });

  it("attaches its programs to devices, by TCX from 6.6 on and by filters before (PF-05, PF-07)", () => {
    const hook = kernel.name === "5.10" || kernel.name === "6.1" ? "netlink" : "tcx";
    const { devices } = report.status.datapath;
    expect(devices.map(({ name, role, hook, problem }) => ({ name, role, hook, problem }))).toEqual(
      [
        { name: "ext0", role: "external", hook, problem: null },
        { name: "pod0", role: "pod", hook, problem: null },
      ],
    );
  });

  it("leads packets from outside to a pod that sees their source (KP-21, KP-26)", () => {
    const v4 = { backend: "10.244.1.2 to 192.0.2.254", peer: "192.0.2.1 30020" };
    const v6 = { backend: "fd00:244:1::2 to 2001:db8::fe", peer: "2001:db8::1 30020" };
    expect(report.outside.pod).toEqual({ tcp4: v4, tcp6: v6, udp4: v4, udp6: v6 });
  });

  it("stands in for the client at a pod of another node (KP-21)", () => {
    const v4 = { backend: "198.51.100.7 to 192.0.2.1", peer: "192.0.2.1 30021" };
    const v6 = { backend: "2001:db8:7::7 to 2001:db8::1", peer: "2001:db8::1 30021" };
    expect(report.outside.remote).toEqual({ tcp4: v4, tcp6: v6, udp4: v4, udp6: v6 });
  });

  it("leads packets from outside to a process in the node's own network (KP-26)", () => {
    const v4 = { backend: "10.244.0.11", peer: "192.0.2.1 30022" };
    const v6 = { backend: "fd00:244::11", peer: "2001:db8::1 30022" };
    expect(report.outside.host).toEqual({ tcp4: v4, tcp6: v6, udp4: v4, udp6: v6 });
  });

  it("serves a pod whose sockets no hook sees (PF-43)", () => {
    const v4 = { backend: "198.51.100.7 to 10.244.1.2", peer: "10.96.0.21 80" };
    const v6 = { backend: "2001:db8:7::7 to fd00:244:1::2", peer: "fd00:96::21 80" };
    expect(report.inPod).toEqual({ tcp4: v4, tcp6: v6, udp4: v4, udp6: v6 });
  });

  it("leads SCTP from outside to a pod, and stands in for the client at one elsewhere (KP-33)", () => {
    expect(report.sctp.outside).toEqual({
      pod: {
        sctp4: { backend: "10.244.1.2 to 192.0.2.254", peer: "192.0.2.1 30020" },
        sctp6: { backend: "fd00:244:1::2 to 2001:db8::fe", peer: "2001:db8::1 30020" },
      },
      remote: {
        sctp4: { backend: "198.51.100.7 to 192.0.2.1", peer: "192.0.2.1 30021" },
        sctp6: { backend: "2001:db8:7::7 to 2001:db8::1", peer: "2001:db8::1 30021" },
      },
      host: {
        sctp4: { backend: "10.244.0.11 to 192.0.2.254", peer: "192.0.2.1 30022" },
        sctp6: { backend: "fd00:244::11 to 2001:db8::fe", peer: "2001:db8::1 30022" },
      },
    });
  });

  it("leads SCTP from a pod to a ClusterIP, whose backend may be that pod (KP-29, KP-33)", () => {
    expect(report.sctp.inPod).toEqual({
      sctp4: { backend: "198.51.100.7 to 10.244.1.2", peer: "10.96.0.21 80" },
      sctp6: { backend: "2001:db8:7::7 to fd00:244:1::2", peer: "fd00:96::21 80" },
    });
    expect(report.sctp.hairpin).toEqual({
      sctp4: { backend: "10.244.1.2 to 10.244.1.1", peer: "10.96.0.20 80" },
      sctp6: { backend: "fd00:244:1::2 to fd00:244:1::1", peer: "fd00:96::20 80" },
    });
  });

  it("lists associations that have been shut down as closed (KP-33)", () => {
    const { flows } = report.sctp;
    expect(flows.map(({ client }) => client.address)).toContain("fd00:244:1::2");
    expect(new Set(flows.map(({ state }) => state))).toEqual(new Set(["closed"]));
  });

  it("does not serve the node's own SCTP clients (KP-33)", () => {
    const unserved = { error: "ETIMEDOUT", during: "connect" };
    expect(report.sctp.onNode).toEqual({ sctp4: unserved, sctp6: unserved });
  });

  it("refuses SCTP to a Service without endpoints at once (KP-14, KP-33)", () => {
    const refused = { error: "ECONNREFUSED", during: "connect" };
    expect(report.sctp.refused).toEqual({ sctp4: refused, sctp6: refused });
    expect(report.sctp.refusedOutside).toEqual({ sctp4: refused, sctp6: refused });
  });

  it("destroys the connected UDP socket whose backend has gone, and no other (PF-20, PF-21)", () => {
    expect(report.staleSocketError).toBe("ECONNABORTED");
    expect(report.keptSocket).toBe("fd00:244::11");
    expect(report.status.sync.staleSocketsDestroyed).toBe(1);
  });

  it("sees connections of its own translated, and has nothing to bring back (PF-06)", () => {
    expect(report.status.probe).toMatchObject({ state: "ok", reason: null, failures: 0 });
    expect(report.status.probe.families).toEqual([
      { family: "IPv4", success: true },
      { family: "IPv6", success: true },
    ]);
    expect(report.status.datapath.reattached.filter(({ count }) => count > 0)).toEqual([]);
  });

  it("sends new clients to the backend that replaced another (PF-01)", () => {
    expect(report.moved).toEqual({ backend: "10.244.0.12", peer: "10.96.0.12 80" });
  });

  it("goes on translating when the agent has been killed (PF-04)", () => {
    expect(report.unattended).toEqual({ backend: "fd00:244::11", peer: "fd00:96::10 80" });
  });

  it("adopts what stands when the agent starts anew, and writes nothing (PF-02)", () => {
    expect(report.adopted.sync).toMatchObject({
      ready: true,
      services: 42,
      writes: { frontends: 0, services: 0, slots: 0, backends: 0 },
    });
  });

  it("translates nothing any more after the clean-up", () => {
    expect(report.afterwards).toEqual({ error: "ENETUNREACH" });
  });

  it("says in its status which features the kernel lacks and why (PF-07)", () => {
    const [refusal, staleSockets, packets, clock, expiry, probe, ...more] =
      report.status.datapath.features;
    expect(refusal).toEqual(
      isFloor
        ? {
            name: "refuse-with-econnrefused",
            state: "off",
            reason: expect.stringMatching(/needs Linux 5\.18: .*invalid func unknown#187/),
          }
        : { name: "refuse-with-econnrefused", state: "on", reason: "bpf_set_retval is there" },
    );
    expect(staleSockets).toMatchObject({ name: "destroy-stale-sockets", state: "on" });
    expect(packets).toMatchObject({ name: "serve-packets", state: "on" });
    expect(clock).toEqual(
      isFloor
        ? {
            name: "coarse-clock",
            state: "off",
            reason: expect.stringMatching(/needs Linux 5\.11: .*invalid func unknown#160/),
          }
        : { name: "coarse-clock", state: "on", reason: "bpf_ktime_get_coarse_ns is there" },
    );
    expect(expiry).toMatchObject({ name: "expire-flows", state: "on" });
    expect(probe).toMatchObject({ name: "probe", state: "on" });
    expect(more).toEqual([]);
  });
});
