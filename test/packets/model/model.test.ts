import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { everyKit, fromClient, nodePort } from "../cases/kit.ts";
import { encode } from "../packet/encode.ts";
import { Rig } from "../rig/rig.ts";
import { ext0, local0, node, remote0 } from "../world.ts";
import type { Configuration } from "./configuration.ts";
import { Model } from "./model.ts";
import type { Observed } from "./outcome.ts";

describe("the model", () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await Rig.create();
  });
  afterAll(async () => {
    await rig[Symbol.asyncDispose]();
  });

  const given = (
    k: (typeof everyKit)[number],
    place: typeof local0,
    local: boolean,
  ): Configuration => ({
    services: [
      k.service({ frontends: [k.at("NodePort", node)], backends: [k.backend(place, { local })] }),
    ],
  });

  /** What the programs make of a first packet, and whether a model would allow something else. */
  function observe(configuration: Configuration, frame: Uint8Array) {
    rig.configure(configuration);
    rig.forget();
    const observed = rig.inside(() => rig.run("from_outside", ext0.index, frame));
    const allows = (other: Observed): boolean =>
      new Model(configuration).judge({
        hook: "from_outside",
        device: ext0,
        frame,
        gsoSize: 0,
        observed: other,
      }).ok;
    return { observed, allows };
  }

  for (const k of everyKit) {
    it(`notices any byte that a program changes wrongly, ${k.label}`, () => {
      const frame = encode(fromClient(k, node, nodePort));
      const { observed, allows } = observe(given(k, local0, true), frame);
      expect(allows(observed)).toBe(true);
      for (let at = 0; at < observed.packet.length; at++) {
        const packet = observed.packet.with(at, (observed.packet[at] ?? 0) ^ 1);
        expect(allows({ ...observed, packet }), `byte ${at}`).toBe(false);
      }
    });

    it(`notices another verdict, another length and a packet left as it was, ${k.label}`, () => {
      const frame = encode(fromClient(k, node, nodePort));
      const { observed, allows } = observe(given(k, local0, true), frame);
      for (const verdict of [-1, 0, 1, 2, 3, 4, 5, 6, 8]) {
        expect(allows({ ...observed, verdict }), `verdict ${verdict}`).toBe(false);
      }
      expect(allows({ ...observed, packet: observed.packet.slice(0, -1) })).toBe(false);
      expect(allows({ verdict: -1, packet: frame })).toBe(false);
    });

    it(`notices a source port outside the range and a source that is not the device's, ${k.label}`, () => {
      const frame = encode(fromClient(k, node, nodePort));
      const { observed, allows } = observe(given(k, remote0, false), frame);
      const addresses = 14 + (k.family === "v4" ? 12 : 8);
      const ports = 14 + (k.family === "v4" ? 20 : 40);
      expect(allows(observed)).toBe(true);
      expect(allows({ ...observed, packet: observed.packet.with(ports, 0) })).toBe(false);
      expect(allows({ ...observed, packet: observed.packet.with(addresses, 0) })).toBe(false);
    });
  }
});
