import type { SettingsArray } from "../../bpf/build/layout.ts";
import type { FlowTimeouts } from "./flow_timeouts.ts";

/** The programs count in ticks of 2^30 ns (TICK_SHIFT in maps.h). */
const TICK_SECONDS = 2 ** 30 / 1e9;
/** Half of the clock's 32 bits: more could not be told from the future. */
const MOST_TICKS = 2 ** 31 - 1;

/** Both ends included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Takes effect with the next packet and the next sweep. */
export function writeFlowTimeouts(settings: SettingsArray, timeouts: FlowTimeouts): void {
  settings.setTcpOpening(0, ticksOf(timeouts.tcpOpening));
  settings.setTcpEstablished(0, ticksOf(timeouts.tcpEstablished));
  settings.setTcpClosing(0, ticksOf(timeouts.tcpClosing));
  settings.setTcpClosed(0, ticksOf(timeouts.tcpClosed));
  settings.setUdp(0, ticksOf(timeouts.udp));
  settings.setUdpStream(0, ticksOf(timeouts.udpStream));
}

/** In an order in which the programs never see an empty range. */
export function writeSnatPorts(settings: SettingsArray, { first, last }: PortRange): void {
  if (first <= settings.snatPortLast(0)) {
    settings.setSnatPortFirst(0, first);
    settings.setSnatPortLast(0, last);
  } else {
    settings.setSnatPortLast(0, last);
    settings.setSnatPortFirst(0, first);
  }
}

export const snatPortsOf = (settings: SettingsArray): PortRange => ({
  first: settings.snatPortFirst(0),
  last: settings.snatPortLast(0),
});

/** Never less than asked for. */
export const ticksOf = (seconds: number): number =>
  Math.min(Math.ceil(seconds / TICK_SECONDS), MOST_TICKS);

export const secondsOf = (ticks: number): number => ticks * TICK_SECONDS;
