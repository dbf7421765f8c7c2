import { ListedApi } from "./listed_api.ts";
import { apiPort, northSouthObjects } from "./north_south_objects.ts";

/** The API server of one node, within its network: north_south_server.ts NAME ADDRESS POD... */
const [name = "", address = "", ...pods] = process.argv.slice(2);
await new ListedApi(northSouthObjects({ name, address }, pods)).listen(apiPort);
console.log("ready");
