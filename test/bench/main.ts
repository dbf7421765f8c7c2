import { benchAudit } from "./audit.ts";
import { benchConnections } from "./connections.ts";
import { benchNorthSouth } from "./north_south.ts";
import { benchPackets } from "./packets.ts";
import { benchScale } from "./scale.ts";

const benches: Readonly<Record<string, () => Promise<void>>> = {
  connections: benchConnections,
  "north-south": benchNorthSouth,
  packets: benchPackets,
  scale: benchScale,
  audit: benchAudit,
};

const names = process.argv.slice(2);
const unknown = names.find((name) => !(name in benches));
if (unknown !== undefined) {
  console.error(`no benchmark is called ${unknown}; there are ${Object.keys(benches).join(", ")}`);
  process.exit(2);
}
for (const [name, bench] of Object.entries(benches)) {
  if (names.length === 0 || names.includes(name)) await bench();
}
