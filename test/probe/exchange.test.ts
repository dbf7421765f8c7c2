import type { Socket } from "node:dgram";
import { afterEach, describe, expect, it } from "vitest";
import { type ProbePlace, probePlaces } from "../../agent/datapath/probe_service.ts";
import { exchange, type Speaker } from "../../agent/probe/exchange.ts";
import { Responder } from "../../agent/probe/responder.ts";
import { bindTo } from "../../agent/probe/socket.ts";

const [place4] = probePlaces as [ProbePlace];

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function openResponder(): Promise<Responder> {
  const responder = await Responder.open(place4);
  closing.push(() => responder.close());
  return responder;
}

async function openSocket(): Promise<Socket> {
  const socket = await bindTo(place4);
  closing.push(() => socket.close());
  return socket;
}

/** As if the Service were that socket: then there is nothing to translate. */
const at = (responder: Responder, port: number): Speaker => ({
  place: { ...place4, address: "127.0.0.1", port },
  hear: (text) => responder.hear(text),
  forget: (text) => responder.forget(text),
});

describe("an exchange", () => {
  it("is translated where the address asked for answers (PF-06)", async () => {
    const responder = await openResponder();
    expect(await exchange(at(responder, responder.port))).toEqual({ kind: "translated" });
  });

  it("is wrong where nobody answers, while the loopback itself works (PF-06)", async () => {
    const responder = await openResponder();
    const { port } = (await openSocket()).address();
    expect(await exchange(at(responder, port), 200)).toEqual({
      kind: "wrong",
      steps: [
        "sluice_connect4 does not translate: there is no answer",
        "sluice_sendmsg4 does not translate: there is no answer",
      ],
    });
  });

  it("is wrong where another address than the one asked for answers (PF-06)", async () => {
    const responder = await openResponder();
    const [asked, answering] = [await openSocket(), await openSocket()];
    asked.on("message", (message, { port }) => answering.send(message, port, "127.0.0.1"));
    const outcome = await exchange(at(responder, asked.address().port), 200);
    // A connected socket hears no other.
    expect(outcome).toEqual({
      kind: "wrong",
      steps: [
        "sluice_connect4 does not translate: there is no answer",
        `sluice_recvmsg4 shows 127.0.0.1:${answering.address().port}`,
      ],
    });
  });

  it("says nothing where the loopback itself does not work (PF-06)", async () => {
    const responder = await openResponder();
    const { port } = (await openSocket()).address();
    const deaf = { ...at(responder, port), hear: () => new Promise<void>(() => {}) };
    expect(await exchange(deaf, 200)).toEqual({
      kind: "unclear",
      why: "no datagram passes 127.0.0.1 itself",
    });
  });

  it("is absent on a node without the family", async () => {
    const responder = await openResponder();
    const speaker = at(responder, responder.port);
    // RFC 5737: no node has it.
    const elsewhere = { ...speaker, place: { ...speaker.place, loopback: "192.0.2.1" } };
    expect(await exchange(elsewhere)).toEqual({ kind: "absent" });
  });

  it("is none the worse for a process that was held up past its time (PF-06)", async () => {
    const responder = await openResponder();
    const exchanging = exchange(at(responder, responder.port), 300);
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400));
    expect(await exchanging).toEqual({ kind: "translated" });
  });
});
