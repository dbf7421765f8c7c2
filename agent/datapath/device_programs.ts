import type { BpfProgram, LoadedObject, TcDirection } from "libbpf-ts";
import { load } from "./load.ts";
import { EXPIRED_FLOWS, packetParts } from "./optional_parts.ts";
import type { Pins } from "./pins.ts";
import type { FeatureReport } from "./report.ts";

/** The programs of tc.bpf.o, and where at a device each belongs. */
export const devicePrograms = {
  sluice_from_outside: "ingress",
  sluice_to_outside: "egress",
  sluice_from_pod: "ingress",
} as const satisfies Readonly<Record<string, TcDirection>>;

export type DeviceProgram = keyof typeof devicePrograms;

const ETHERNET_HEADER = 14;

/**
 * The per-packet programs, loaded over the maps that are pinned already: once for devices with an
 * Ethernet header, and again for those without as soon as there is one.
 */
export class DevicePrograms {
  readonly object: LoadedObject;
  readonly features: readonly FeatureReport[];
  /** The kernel's numbers of all that are loaded. */
  readonly ids = new Set<number>();
  readonly #objectPath: string;
  readonly #pins: Pins;
  #headless: LoadedObject | undefined;

  /** @throws {DatapathError} "kernel" where the kernel refuses them, "permission". */
  constructor(objectPath: string, pins: Pins) {
    const globals = { mac_header: ETHERNET_HEADER };
    const shared = { objectPath, pins, sizes: {}, pinsMaps: false };
    const { object, features } = load({ ...shared, parts: packetParts, globals });
    this.object = object;
    this.features = features;
    this.#objectPath = objectPath;
    this.#pins = pins;
    this.#note(object);
  }

  /** @throws {DatapathError} "kernel" where the kernel refuses the form without a header. */
  program(name: DeviceProgram, hasMacHeader: boolean): BpfProgram {
    if (hasMacHeader) return this.object.program(name);
    this.#headless ??= this.#loadHeadless();
    return this.#headless.program(name);
  }

  close(): void {
    this.object.close();
    this.#headless?.close();
  }

  #loadHeadless(): LoadedObject {
    const shared = { objectPath: this.#objectPath, pins: this.#pins, sizes: {}, pinsMaps: false };
    const globals = { mac_header: 0 };
    const parts = packetParts.filter(({ iterator }) => iterator === undefined);
    const { object } = load({ ...shared, parts, globals, without: [EXPIRED_FLOWS] });
    this.#note(object);
    return object;
  }

  #note({ programs }: LoadedObject): void {
    for (const { info } of programs.values()) this.ids.add(info.id);
  }
}
