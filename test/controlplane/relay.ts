// Run inside a node's network: relay.ts SOCKET PORT. What connects to 127.0.0.1:PORT there reaches
// whoever listens at the UNIX socket outside.
import { Gate, loopback } from "./gate.ts";

const [path, port] = process.argv.slice(2);
if (path === undefined || port === undefined) throw new Error("usage: relay.ts SOCKET PORT");
await Gate.before({ path }, loopback(Number(port)));
console.log("ready");
