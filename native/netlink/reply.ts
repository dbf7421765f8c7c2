import {
  MESSAGE_FLAGS,
  MESSAGE_TYPES,
  type NetlinkMessage,
  type Outcome,
  parseOutcome,
} from "./message.ts";

/** Gathers what answers one request. */
export class Reply {
  readonly messages: NetlinkMessage[] = [];
  readonly isDump: boolean;
  /** Objects changed while they were dumped: the list may lack some and repeat others. */
  interrupted = false;
  outcome: Outcome | undefined;
  readonly #sequence: number;

  constructor(sequence: number, isDump: boolean) {
    this.#sequence = sequence;
    this.isDump = isDump;
  }

  /** True for the message that ends the reply. Answers to earlier requests are passed over. */
  add(message: NetlinkMessage): boolean {
    if (message.sequence !== this.#sequence) return false;
    if ((message.flags & MESSAGE_FLAGS.dumpInterrupted) !== 0) this.interrupted = true;
    if (message.type === MESSAGE_TYPES.error || message.type === MESSAGE_TYPES.done) {
      this.outcome = parseOutcome(message);
      return true;
    }
    if (message.type >= 16) this.messages.push(message);
    return false;
  }
}
