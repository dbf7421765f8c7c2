import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientPort, fromClient, fromPod, kit, nodePort, targetPort } from "./cases/kit.ts";
import type { Configuration } from "./model/configuration.ts";
import { serviceIndex } from "./model/configuration.ts";
import { encode, encodeIp } from "./packet/encode.ts";
import { Rig } from "./rig/rig.ts";
import { client, clusterIp, ext0, local0, node, pod0, remote0 } from "./world.ts";

const k = kit("v4", "udp");
const served: Configuration = {
  services: [
    k.service({
      frontends: [k.at("NodePort", node)],
      backends: [k.backend(local0, { local: true })],
    }),
  ],
};

describe("what is counted", () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await Rig.create({ maxEntries: { packet_counts: 1 } });
    rig.configure(served);
  });
  afterAll(async () => {
    await rig[Symbol.asyncDispose]();
  });

  it("are packets and bytes of each direction per Service, from the network header on", () => {
    const request = encode(fromClient(k, node, nodePort));
    const reply = encode(k.packet(fromPod(pod0), local0, client, k.next(targetPort, clientPort)));
    rig.inside(() => {
      for (let i = 0; i < 3; i++) rig.run("from_outside", ext0.index, request);
      for (let i = 0; i < 2; i++) rig.run("from_pod", pod0.index, reply);
    });
    // 20 bytes of IPv4, 8 of UDP, 18 of payload.
    expect(rig.stats(serviceIndex(0))).toMatchObject({
      connections: 1n,
      requestPackets: 3n,
      requestBytes: 138n,
      replyPackets: 2n,
      replyBytes: 92n,
      refused: 0n,
      denied: 0n,
    });
  });

  it("is left out where its map is full, and packets go on", () => {
    const refused = { services: [{ ...served.services[0]!, backends: [] }] };
    rig.configure(refused);
    rig.forget();
    const { verdict } = rig.inside(() =>
      rig.run("from_outside", ext0.index, encode(fromClient(k, node, nodePort))),
    );
    expect(verdict).toBe(7);
    expect(rig.counts()).toEqual(new Map([[`${ext0.index}:0`, 1]]));
    expect(rig.stats(serviceIndex(0)).refused).toBe(1n);
  });
});

describe("a device without link-layer header", () => {
  let rig: Rig;

  beforeAll(async () => {
    rig = await Rig.create({ macHeader: 0 });
  });
  afterAll(async () => {
    await rig[Symbol.asyncDispose]();
  });

  // BPF_PROG_RUN takes the type of a frame from its bytes 12 and 13, here of the source address.
  const clients = { v4: "8.0.0.7", v6: "2001:db8:86dd::7" } as const;

  for (const family of ["v4", "v6"] as const) {
    for (const protocol of ["tcp", "udp"] as const) {
      const each = kit(family, protocol);
      const bytes = (destination: string, port: number, ttl: number): Uint8Array =>
        encodeIp({
          source: clients[family],
          destination,
          ttl,
          transport: each.first(clientPort, port),
        });

      it(`has its packets translated from their first byte on, ${each.label}`, () => {
        rig.configure({
          services: [
            each.service({
              frontends: [each.at("ClusterIP", clusterIp)],
              backends: [each.backend(remote0)],
            }),
          ],
        });
        rig.forget();
        const asked = bytes(clusterIp[family], 80, 64);
        const { verdict, packet } = rig.inside(() => rig.run("from_pod", pod0.index, asked));
        expect(verdict).toBe(7);
        // Behind an empty link-layer header, which the way by the neighbour takes off.
        expect(Buffer.from(packet).toString("hex")).toBe(
          "00".repeat(14) + Buffer.from(bytes(remote0[family], targetPort, 63)).toString("hex"),
        );
      });
    }
  }
});
