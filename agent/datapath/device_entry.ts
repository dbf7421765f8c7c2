import { type Device, DeviceFlag } from "../../bpf/build/layout.ts";
import type { NodeDevice } from "../network/state.ts";
import { addressOrZero } from "./address_bytes.ts";

/** What the programs are told of a device that is served as it should be. */
export function deviceEntry({ mtu, role, path, sources }: NodeDevice): Device {
  const fast = path === "stack" ? 0 : DeviceFlag.FAST;
  const peer = path === "peer" ? DeviceFlag.PEER : 0;
  return {
    v4: addressOrZero(sources.IPv4),
    v6: addressOrZero(sources.IPv6),
    mtu,
    flags: (role === "external" ? DeviceFlag.EXTERNAL : DeviceFlag.POD) | fast | peer,
  };
}
