import { ipBytes } from "../packet/address.ts";
import { node } from "../world.ts";
import { type BackendSpec, defaultSnatPorts } from "./configuration.ts";
import { type Connection, turned } from "./connection.ts";
import type { Segment } from "./forward.ts";
import { type Tuple, u16 } from "./headers.ts";
import type { Event, State } from "./model.ts";
import type { Route } from "./routing.ts";

/** With another destination, and from whom it came. */
export const plainTuple = (
  { tuple }: Segment,
  { port }: BackendSpec,
  address: Uint8Array,
): Tuple => ({
  ...tuple,
  destination: address,
  destinationPort: port,
});

/** Of the device that leads there, else the node's own (KP-21); undefined: there is none. */
export function snatSource(state: State, { ip }: Segment, route: Route): Uint8Array | undefined {
  if (state.configuration.settings?.nodeAddress === false) return undefined;
  const family = ip.isIp6 ? "v6" : "v4";
  const own = route.kind === "device" ? route.device[family] : undefined;
  return ipBytes(own ?? node[family]);
}

interface Sought {
  readonly source: Uint8Array;
  readonly address: Uint8Array;
  readonly backend: BackendSpec;
  readonly masquerade: boolean;
}

/** The source ports that the flow may have got: its own where it is free, else the observed one. */
export function sourcePorts(
  state: State,
  { observed }: Event,
  segment: Segment,
  { source, address, backend, masquerade }: Sought,
  old: Connection | undefined,
): readonly number[] | "none" {
  const { tuple, ip } = segment;
  const [first, last] = state.configuration.settings?.snatPorts ?? defaultSnatPorts;
  const isFree = (sourcePort: number): boolean => {
    const reply = turned({ ...plainTuple(segment, backend, address), source, sourcePort });
    const flow = state.flows.get(reply);
    return flow === undefined || flow.connection === old;
  };
  if (!masquerade && isFree(tuple.sourcePort)) return [tuple.sourcePort];
  const seen = u16(observed.packet, ip.transportAt);
  if (seen >= first && seen <= last && isFree(seen)) return [seen];
  const range = Array.from({ length: Math.min(last - first + 1, 16) }, (_, i) => first + i);
  // What was answered or dropped does not show its port: any will do.
  const some = range.find(isFree);
  if (some !== undefined) return [some];
  return last - first < 16 ? "none" : [];
}
