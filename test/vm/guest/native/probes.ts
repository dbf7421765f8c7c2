import { netnsCookie, probe } from "libbpf-ts";

/** What the bindings say that the kernel can. */
export const probes = () => ({
  tcx: probe.tcx().state,
  setRetval: probe.helper("cgroup_sock_addr", "set_retval").state,
  socketStorage: probe.helper("cgroup_sock_addr", "sk_storage_get").state,
  hashBatch: probe.mapBatch("hash").state,
  perCpuArrayBatch: probe.mapBatch("percpu_array").state,
  progArrayBatch: probe.mapBatch("prog_array").state,
  mmapableArray: probe.mmapableArray().state,
  cgroupLink: probe.cgroupLink().state,
  ringBuffer: probe.mapType("ringbuf").state,
  getpeername: probe.attachType("cgroup_sock_addr", "cgroup_inet4_getpeername").state,
  netnsCookie: typeof netnsCookie(),
});
