import type { RemoteInfo, Socket } from "node:dgram";
import type { ProbePlace } from "../datapath/probe_service.ts";
import { Deadline } from "./deadline.ts";
import type { Responder } from "./responder.ts";
import { bindTo, isAbsent } from "./socket.ts";

/** What became of speaking to ourselves through the Service of one family. */
export type Outcome =
  | { readonly kind: "translated" }
  /** What was seen in place of a translation, by the program that should have made it. */
  | { readonly kind: "wrong"; readonly steps: readonly string[] }
  /** Nothing can be said of the programs: not even what passes them by has come. */
  | { readonly kind: "unclear"; readonly why: string }
  /** The node does not have this family. */
  | { readonly kind: "absent" };

/** The endpoint behind the Service, and what passes by the Service. */
export type Speaker = Pick<Responder, "place" | "hear" | "forget">;

/** Over the loopback it takes microseconds; what has not come by then does not come. */
const TIMEOUT_MS = 1_000;

let exchanges = 0;

/**
 * Speaks to ourselves as a client would: by a connected UDP socket, with connect(), getpeername() and
 * recvmsg(), and by an unconnected one, with sendmsg() and recvmsg() (PF-06).
 */
export async function exchange(
  responder: Speaker,
  timeoutMs: number = TIMEOUT_MS,
): Promise<Outcome> {
  const { place } = responder;
  const text = `sluice ${exchanges++}`;
  const deadline = new Deadline(timeoutMs);
  const sockets: Socket[] = [];
  try {
    const a = await bindTo(place);
    sockets.push(a);
    const b = await bindTo(place);
    sockets.push(b);
    const heard = deadline.within(responder.hear(text).then(() => true));
    const steps = await Promise.all([
      speakConnected(a, place, text, deadline),
      speakUnconnected(b, place, text, deadline),
    ]);
    const wrong = [...new Set(steps.flat())];
    if (wrong.length === 0) return { kind: "translated" };
    if (await heard) return { kind: "wrong", steps: wrong };
    return { kind: "unclear", why: `no datagram passes ${place.loopback} itself` };
  } catch (error) {
    if (isAbsent(error)) return { kind: "absent" };
    return { kind: "unclear", why: error instanceof Error ? error.message : String(error) };
  } finally {
    deadline.clear();
    responder.forget(text);
    for (const socket of sockets) socket.close();
  }
}

async function speakConnected(
  socket: Socket,
  place: ProbePlace,
  text: string,
  deadline: Deadline,
): Promise<readonly string[]> {
  const connect = programOf("connect", place);
  const error = await connected(socket, place);
  if (error !== undefined) return [`${connect} does not translate: ${error}`];
  const peer = socket.remoteAddress();
  const steps = isAt(place, peer)
    ? []
    : [`${programOf("getpeername", place)} shows ${textOf(peer)}`];
  const answer = await deadline.within(answered(socket, text, (then) => socket.send(text, then)));
  return [...steps, ...wrongIn(answer, connect, place)];
}

async function speakUnconnected(
  socket: Socket,
  place: ProbePlace,
  text: string,
  deadline: Deadline,
): Promise<readonly string[]> {
  const { address, port } = place;
  const send = (then: Sent) => socket.send(text, port, address, then);
  const answer = await deadline.within(answered(socket, text, send));
  return wrongIn(answer, programOf("sendmsg", place), place);
}

type Endpoint = Pick<RemoteInfo, "address" | "port">;
type Sent = (error: Error | null) => void;

/** The error, where it fails. */
const connected = (socket: Socket, { address, port }: ProbePlace): Promise<string | undefined> =>
  new Promise((resolve) => {
    // Called with an error too, which the types do not say.
    const then = (error?: NodeJS.ErrnoException) => resolve(error && (error.code ?? error.message));
    socket.connect(port, address, then);
  });

/** Where the answer came from, or why nothing could be sent. */
const answered = (
  socket: Socket,
  text: string,
  send: (then: Sent) => void,
): Promise<Endpoint | string> =>
  new Promise((resolve) => {
    socket.on("message", (message, from) => {
      if (message.toString() === text) resolve(from);
    });
    send((error: NodeJS.ErrnoException | null) => {
      if (error) resolve(error.code ?? error.message);
    });
  });

function wrongIn(
  answer: Endpoint | string | undefined,
  sender: string,
  place: ProbePlace,
): readonly string[] {
  if (answer === undefined) return [`${sender} does not translate: there is no answer`];
  if (typeof answer === "string") return [`${sender} does not translate: ${answer}`];
  return isAt(place, answer) ? [] : [`${programOf("recvmsg", place)} shows ${textOf(answer)}`];
}

const programOf = (hook: string, { family }: ProbePlace): string =>
  `sluice_${hook}${family === "IPv4" ? 4 : 6}`;

const isAt = (place: ProbePlace, { address, port }: Endpoint): boolean =>
  address === place.address && port === place.port;

const textOf = ({ address, port }: Endpoint): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
