import type { SettingsArray } from "../../bpf/build/layout.ts";

/** Ports from `first` to `last`; none where `first` is greater. */
export interface PortBounds {
  readonly first: number;
  readonly last: number;
}

/** Where the programs look for NodePorts at all: a port outside of these bounds is none. */
export interface NodePorts {
  bounds(): PortBounds;
  /** The two ends are stored one after the other: in between, what both bounds hold is held. */
  setBounds(bounds: PortBounds): void;
}

/** Port 0 is nobody's: maps that were just made say nothing but that. */
export const noPorts: PortBounds = { first: 1, last: 0 };

/** Those of the map `settings`. */
export function nodePortsOf(settings: SettingsArray): NodePorts {
  return {
    bounds() {
      const [first, last] = [settings.nodePortFirst(0), settings.nodePortLast(0)];
      return first === 0 || first > last ? noPorts : { first, last };
    },
    setBounds({ first, last }) {
      settings.setNodePortFirst(0, first);
      settings.setNodePortLast(0, last);
    },
  };
}

/** The narrowest bounds that hold these and the port. */
export const widened = (bounds: PortBounds, port: number): PortBounds =>
  bounds.first > bounds.last
    ? { first: port, last: port }
    : { first: Math.min(bounds.first, port), last: Math.max(bounds.last, port) };
