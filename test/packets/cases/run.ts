import { expect } from "vitest";
import { affinityCodec, flowCodec } from "../../../bpf/build/layout.ts";
import { parse, UDP, u16 } from "../model/headers.ts";
import { DROP, REDIRECT, STACK } from "../model/outcome.ts";
import { concat, encode } from "../packet/encode.ts";
import { fieldsOf } from "../packet/fields.ts";
import { printPacket } from "../packet/print.ts";
import type { Rig } from "../rig/rig.ts";
import { reasonName, Trial } from "../trial.ts";
import type { Change, Expected, PacketCase, PacketStep, Seen } from "./case.ts";

/** TICK_SHIFT of maps.h. */
const tickShift = 30;

const verdicts = { stack: STACK, drop: DROP, redirect: REDIRECT } as const;

const bytesOf = (packet: Expected): Uint8Array =>
  packet instanceof Uint8Array ? packet : encode(packet);

/** Plays a case on the rig; `checkSum`: the kernel watches over the packet's own sum too. */
export function play(rig: Rig, { given, steps }: PacketCase, checkSum: boolean): void {
  const trial = new Trial(rig, given);
  let seen: Seen | undefined;
  const known = (): Seen => {
    if (seen === undefined) throw new Error("no packet has been translated yet");
    return seen;
  };
  rig.inside(() => {
    for (const [number, source] of steps.entries()) {
      const step = typeof source === "function" ? source(known()) : source;
      if (!("packet" in step)) change(trial, step);
      else seen = playPacket(trial, step, number, checkSum, seen) ?? seen;
    }
  });
}

function change(trial: Trial, step: Change): void {
  if ("configure" in step) trial.configure(step.configure);
  else if ("forget" in step) trial.forget();
  else if ("idle" in step) idle(trial, step);
  else evict(trial, step.evict);
}

/** Deletes one half of the first connection and lets the other be from an earlier tick. */
function evict({ rig, model }: Trial, half: "request" | "reply"): void {
  const map = rig.object.map("flows");
  for (const [key, value] of rig.flows()) {
    const flow = flowCodec.decode(value);
    if (((flow.flags & 1) !== 0) === (half === "reply")) map.delete(key);
    else {
      flowCodec.encode({ ...flow, lastSeen: flow.lastSeen - 2 }, value);
      map.update(key, value);
    }
  }
  for (const connection of model.flows.connections())
    model.flows.evict(connection, half === "reply");
}

function idle(
  { rig, model }: Trial,
  { idle: what, seconds }: Extract<Change, { idle: string }>,
): void {
  const map = rig.object.map(what);
  for (const [key, value] of [...map.entries()].map(([k, v]) => [k.slice(), v.slice()] as const)) {
    if (what === "flows") {
      const flow = flowCodec.decode(value);
      const ticks = Math.ceil((seconds * 1e9) / 2 ** tickShift);
      flowCodec.encode({ ...flow, lastSeen: (flow.lastSeen - ticks) >>> 0 }, value);
    } else {
      const affinity = affinityCodec.decode(value);
      affinityCodec.encode(
        { ...affinity, lastSeen: affinity.lastSeen - BigInt(seconds * 1e9) },
        value,
      );
    }
    map.update(key, value);
  }
  model.idle(what, seconds);
}

function playPacket(
  trial: Trial,
  step: PacketStep,
  number: number,
  checkSum: boolean,
  seen: Seen | undefined,
): Seen | undefined {
  const frame = bytesOf(step.packet);
  const { gsoSize = 0 } = step;
  // An answer has another length: bpf_skb_change_tail leaves the sum of the whole packet behind.
  const watched = checkSum && step.answer === undefined && isSummed(frame);
  const { observed, outcome } = trial.run(step.at, step.on, frame, { gsoSize, checkSum: watched });
  const where = `step ${number + 1}, ${printPacket(frame)}`;
  const reasons = [...trial.reasons()];
  expect(observed.verdict, `verdict of ${where}`).toBe(verdicts[step.verdict]);
  const counted = step.reason === undefined ? [] : [step.reason].flat();
  expect(reasons.sort(), `counted for ${where}`).toEqual(
    counted.map((name) => `${name} on ${step.on.index}`).sort(),
  );
  if (outcome.reason !== "any" && outcome.reason !== undefined) {
    expect(counted, "what the model has counted").toContain(reasonName(outcome.reason));
  }
  const parsed = parse(observed.packet);
  const now =
    parsed.kind === "segment" && step.verdict !== "drop" ? { first: parsed.tuple } : undefined;
  expectPacket(step, frame, observed.packet, seen ?? now, where);
  return seen ?? (step.expect === "same" || step.expect === undefined ? undefined : now);
}

/** No receiver looks at the sum of a datagram that bears none itself. */
function isSummed(frame: Uint8Array): boolean {
  const parsed = parse(frame);
  if (parsed.kind !== "segment" || parsed.tuple.protocol !== UDP) return true;
  return u16(frame, parsed.ip.transportAt + 6) !== 0;
}

function expectPacket(
  { expect: wanted, answer, verdict }: PacketStep,
  frame: Uint8Array,
  packet: Uint8Array,
  seen: Seen | undefined,
  where: string,
): void {
  if (answer !== undefined) {
    expect(Object.fromEntries(fieldsOf(packet)), where).toMatchObject(
      Object.fromEntries(Object.entries(answer).map(([name, value]) => [name, String(value)])),
    );
  } else if (wanted !== undefined) {
    const given = typeof wanted === "function" ? wanted(seen!) : wanted;
    const bytes = given === "same" ? frame : bytesOf(given);
    // Link-layer addresses come from the program's memory or, after it, from the neighbour table.
    const later =
      verdict === "redirect" && packet.subarray(0, 12).every((byte, i) => byte === frame[i]);
    const final = later ? concat(bytes.subarray(0, 12), packet.subarray(12)) : packet;
    expect(printPacket(final), where).toBe(printPacket(bytes));
    expect(Buffer.from(final).toString("hex"), where).toBe(Buffer.from(bytes).toString("hex"));
  } else expect(verdict, `${where}: a case says what comes out`).toBe("drop");
}
