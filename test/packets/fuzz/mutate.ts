import { complement, sum } from "../packet/checksum.ts";
import type { Random } from "./random.ts";

/** A packet that no sound host sends: a few of its fields changed, cut or made longer. */
export function mutate(random: Random, frame: Uint8Array): Uint8Array {
  let bytes: Uint8Array = frame.slice();
  for (let times = 1 + random.below(2); times > 0; times--) bytes = once(random, bytes);
  if (bytes.length > 34 && bytes[12] === 8 && !random.once(4)) mendHeader(bytes);
  return bytes;
}

function once(random: Random, bytes: Uint8Array): Uint8Array {
  switch (random.below(8)) {
    case 0:
    case 1:
      return flip(random, bytes, 14, bytes.length);
    case 2:
      return random.once(4)
        ? flip(random, bytes, 0, 14)
        : flip(random, bytes, 14, Math.min(bytes.length, 60));
    case 3:
      return bytes.slice(0, Math.max(14, random.below(bytes.length + 1)));
    case 4:
      return longer(random, bytes);
    default:
      return setField(random, bytes);
  }
}

function flip(random: Random, bytes: Uint8Array, from: number, to: number): Uint8Array {
  if (to <= from) return bytes;
  const at = from + random.below(to - from);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  return bytes;
}

function longer(random: Random, bytes: Uint8Array): Uint8Array {
  const longer = new Uint8Array(bytes.length + 1 + random.below(40));
  longer.set(bytes);
  return longer;
}

const values = [
  0, 1, 2, 3, 4, 5, 6, 15, 16, 17, 20, 40, 43, 44, 51, 58, 59, 60, 64, 69, 70, 96, 127, 128, 255,
];

/** Offsets from the network header: of a field each, and how many bytes it has. */
const ip4Fields = [
  [0, 1],
  [2, 2],
  [4, 2],
  [6, 2],
  [8, 1],
  [9, 1],
  [10, 2],
  [12, 4],
  [16, 4],
  [20, 2],
  [22, 2],
  [24, 2],
  [26, 2],
  [32, 1],
  [33, 1],
  [36, 2],
  [28, 1],
  [30, 2],
  [34, 2],
  [37, 1],
  [48, 2],
] as const;
const ip6Fields = [
  [0, 1],
  [4, 2],
  [6, 1],
  [7, 1],
  [8, 4],
  [20, 4],
  [24, 4],
  [36, 4],
  [40, 1],
  [41, 1],
  [42, 2],
  [43, 1],
  [44, 2],
  [46, 2],
  [48, 1],
  [52, 1],
  [53, 1],
  [56, 2],
  [54, 1],
  [88, 2],
] as const;

function setField(random: Random, bytes: Uint8Array): Uint8Array {
  const [at, width] = random.pick<readonly [number, number]>(
    bytes[12] === 8 ? ip4Fields : ip6Fields,
  );
  for (let i = 0; i < width && 14 + at + i < bytes.length; i++) {
    const old = bytes[14 + at + i] ?? 0;
    bytes[14 + at + i] = random.once(3) ? old + (random.once(2) ? 1 : -1) : random.pick(values);
  }
  return bytes;
}

/** As a router would have it, so that what lies behind is looked at. */
function mendHeader(bytes: Uint8Array): void {
  const end = Math.min(14 + 4 * ((bytes[14] ?? 0) & 15), bytes.length);
  bytes.fill(0, 24, 26);
  const check = complement(sum(bytes, 14, end));
  bytes[24] = check >> 8;
  bytes[25] = check & 255;
}
