import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { serviceCodec } from "../../bpf/build/layout.ts";
import { fromPod, kit, nodePort, targetPort } from "./cases/kit.ts";
import { serviceIndex } from "./model/configuration.ts";
import { encode } from "./packet/encode.ts";
import { fieldsOf } from "./packet/fields.ts";
import { Rig } from "./rig/rig.ts";
import { client, ext0, local0, local1, node, pod0, pod1, routerMac } from "./world.ts";

const k = kit("v4", "tcp");
const REDIRECT = 7;
const firstPort = 20_000;
const PORTS = 24;
/** Fewer than two for each of the ports of the test that fills the table. */
const ENTRIES = 512;

const configuration = {
  services: [
    k.service({
      frontends: [k.at("NodePort", node)],
      backends: [k.backend(local0, { local: true }), k.backend(local1, { local: true })],
    }),
  ],
};

/** Connections of one client to a Service with two backends. */
class Connections {
  readonly #rig: Rig;

  constructor(rig: Rig) {
    this.#rig = rig;
  }

  /** The backend that a SYN from this port goes to. */
  syn(port: number): string {
    const { verdict, packet } = this.#send(port, "S");
    expect(verdict).toBe(REDIRECT);
    return fieldsOf(packet).get("ip.dst") ?? "";
  }

  /** The backend's answer to a SYN. */
  answer(port: number, backend: string, flags: "SA" | "RA"): void {
    const [place, device] = backend === local0.v4 ? [local0, pod0] : [local1, pod1];
    const transport = this.#tcp(targetPort, port, flags);
    const answer = encode(k.packet(fromPod(device), place, client, transport));
    expect(this.#rig.run("from_pod", device.index, answer).verdict).toBe(REDIRECT);
  }

  ack(port: number): void {
    expect(this.#send(port, "A").verdict).toBe(REDIRECT);
  }

  reset(port: number): void {
    expect(this.#send(port, "RA").verdict).toBe(REDIRECT);
  }

  /** A whole connection; its backend. */
  whole(port: number): string {
    const backend = this.syn(port);
    this.answer(port, backend, "SA");
    this.ack(port);
    this.reset(port);
    return backend;
  }

  #tcp(sourcePort: number, destinationPort: number, flags: string) {
    return { kind: "tcp", sourcePort, destinationPort, flags } as const;
  }

  #send(port: number, flags: string) {
    const ethernet = { source: routerMac, destination: ext0.mac };
    const transport = this.#tcp(port, nodePort, flags);
    const packet = encode(k.packet(ethernet, client, node, transport));
    return this.#rig.run("from_outside", ext0.index, packet);
  }
}

const ports = Array.from({ length: PORTS }, (_, i) => firstPort + i);

describe("a client that uses its ports again", () => {
  let rig: Rig;
  let connections: Connections;

  beforeAll(async () => {
    rig = await Rig.create({ maxEntries: { flows: ENTRIES } });
    connections = new Connections(rig);
  });
  beforeEach(() => {
    rig.configure(configuration);
    rig.forget();
  });
  afterAll(() => rig[Symbol.asyncDispose]());

  it("gets the same backend at the same port as long as the slice is the same", () => {
    rig.inside(() => {
      const before = ports.map((port) => connections.whole(port));
      expect(new Set(before).size).toBe(2);
      expect(ports.map((port) => connections.whole(port))).toEqual(before);
    });
  });

  it("gets another at random once the slice has been published anew (KP-30)", () => {
    rig.inside(() => {
      const before = ports.map((port) => connections.whole(port));
      moveSlice(rig);
      expect(ports.map((port) => connections.whole(port))).not.toEqual(before);
    });
  });

  it("gets another at random where the last one refused (KP-30)", () => {
    rig.inside(() => {
      const refusing = ports.map((port) => {
        const backend = connections.syn(port);
        connections.answer(port, backend, "RA");
        return backend;
      });
      expect(ports.map((port) => connections.whole(port))).not.toEqual(refusing);
    });
  });

  it("is answered from the right address when its flows fill the table (PF-28)", () => {
    const flows = rig.object.map("flows");
    rig.inside(() => {
      // One entry more: room then runs out between the two of a flow.
      flows.update(new Uint8Array(flows.info.keySize), new Uint8Array(flows.info.valueSize));
      for (const port of shuffled(320, 6_000)) connections.whole(port);
    });
  });
});

/** So many times one of these ports, in an order without a pattern (a full-period congruence). */
function* shuffled(count: number, times: number): Generator<number> {
  let state = 1;
  for (let i = 0; i < times; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield firstPort + Math.floor((state / 2 ** 32) * count);
  }
}

/** Puts the same backends at other slots. */
function moveSlice(rig: Rig): void {
  const services = rig.object.map("services");
  const key = new Uint8Array(Uint32Array.of(serviceIndex(0)).buffer);
  const bytes = services.lookup(key) ?? new Uint8Array(serviceCodec.size);
  const service = serviceCodec.decode(bytes);
  serviceCodec.encode({ ...service, cluster: service.local }, bytes);
  services.update(key, bytes);
}
