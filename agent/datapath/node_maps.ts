import { type BpfMap, type TypedMap, typedMap } from "libbpf-ts";
import {
  addressCodec,
  type Codec,
  deviceCodec,
  packetCountKeyCodec,
} from "../../bpf/build/layout.ts";
import type { DeviceMaps } from "./device_server.ts";
import { KeptSettings } from "./kept_settings.ts";
import type { NodeAddressMap } from "./node_address_table.ts";

/** The maps in the kernel that say what the node's network is like. */
export interface NodeMaps extends DeviceMaps {
  readonly addresses: NodeAddressMap;
  readonly settings: KeptSettings;
}

const u32Codec: Codec<number> = {
  size: 4,
  encode: (value, into, at = 0) =>
    new DataView(into.buffer, into.byteOffset + at, 4).setUint32(0, value, true),
  decode: (from, at = 0) => new DataView(from.buffer, from.byteOffset + at, 4).getUint32(0, true),
};

/** `map` gives each one by its name in maps.h. */
export function nodeMaps(map: (name: string) => BpfMap): NodeMaps {
  const counts = map("packet_counts");
  return {
    devices: typedMap(map("devices"), u32Codec, deviceCodec),
    addresses: addressMap(typedMap(map("node_addresses"), addressCodec, u32Codec)),
    packetCounts: {
      delete(key) {
        const bytes = new Uint8Array(packetCountKeyCodec.size);
        packetCountKeyCodec.encode(key, bytes);
        return counts.delete(bytes);
      },
    },
    settings: new KeptSettings(map("settings").mmap()),
  };
}

function addressMap(map: TypedMap<{ readonly word: Uint8Array }, number>): NodeAddressMap {
  return {
    *entries() {
      for (const [{ word }, flags] of map.entries()) yield [word, flags];
    },
    update: (word, flags) => map.update({ word }, flags),
    delete: (word) => map.delete({ word }),
  };
}
