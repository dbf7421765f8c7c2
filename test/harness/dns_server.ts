import { createSocket } from "node:dgram";
import { createServer, type Socket } from "node:net";

/**
 * A DNS server inside a test's pod: `node dns_server.ts PORT`, over UDP and TCP. Every question is
 * answered by one A record, 192.0.2.53 (RFC 1035, sections 4.1 and 4.2).
 */
const port = Number(process.argv[2]);

const headerBytes = 12;
const recordA = Buffer.from("c00c00010001000000050004c0000235", "hex");

/** The question turned into an answer: one question and one record, nothing else of the request. */
function answer(request: Buffer): Buffer {
  const end = request.indexOf(0, headerBytes) + 5;
  const response = Buffer.concat([request.subarray(0, end), recordA]);
  response.writeUInt16BE(0x8400, 2);
  response.writeUInt16BE(1, 6);
  response.writeUInt32BE(0, 8);
  return response;
}

function serve(client: Socket): void {
  let received = Buffer.alloc(0);
  client.on("error", () => client.destroy());
  client.on("data", (part) => {
    received = Buffer.concat([received, part]);
    if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
    const response = answer(received.subarray(2));
    const length = Buffer.alloc(2);
    length.writeUInt16BE(response.length);
    client.end(Buffer.concat([length, response]));
  });
}

const socket = createSocket({ type: "udp6" });
socket.on("message", (request, { port: to, address }) => socket.send(answer(request), to, address));
socket.bind(port, () => createServer(serve).listen(port, "::", () => console.log("ready")));
