import { once } from "node:events";
import { openRingBuffer, VerifierError } from "libbpf-ts";
import { open } from "./object.ts";

export function loadedObject() {
  using loaded = open("everything").load();
  return {
    programs: [...loaded.programs.keys()],
    maps: [...loaded.maps.keys()].filter((name) => !name.startsWith(".")),
    type: loaded.program("redirect").info.type,
  };
}

export function refusedProgram() {
  try {
    open("refused").load().close();
    return "loaded";
  } catch (error) {
    if (!(error instanceof VerifierError)) throw error;
    const { program, code, summary, message } = error;
    return { program, code, summary, inMessage: message.includes(summary) };
  }
}

/** The lengths of three test packets, as the program tells them on the event loop. */
export async function ringBuffer() {
  using loaded = open("everything").load();
  const lengths: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  using _ring = openRingBuffer(loaded.map("events"), (record) => {
    lengths.push(Number(new DataView(record.buffer).getBigUint64(0, true)));
    if (lengths.length === 3) resolve();
  });
  for (const size of [60, 61, 62])
    loaded.program("observe").testRun({ data: new Uint8Array(size) });
  const before = lengths.length;
  const deadline = AbortSignal.timeout(10_000);
  await Promise.race([promise, once(deadline, "abort")]);
  return { before, lengths };
}
