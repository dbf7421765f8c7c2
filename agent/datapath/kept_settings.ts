import { SettingsArray } from "../../bpf/build/layout.ts";

/** The map `settings`, and what the agent has said in it, to be said again where it is lost. */
export class KeptSettings extends SettingsArray {
  readonly #bytes: Uint8Array;
  readonly #facts = new Map<string, (settings: SettingsArray) => void>();

  constructor(buffer: ArrayBuffer) {
    super(buffer);
    this.#bytes = new Uint8Array(buffer);
  }

  /** Writes a fact, now and wherever an audit finds another. It goes before one of the same name. */
  keep(name: string, write: (settings: SettingsArray) => void): void {
    this.#facts.set(name, write);
    write(this);
  }

  /** Writes the facts anew that do not stand, and gives their names (KP-54). */
  audit(): readonly string[] {
    const lost: string[] = [];
    for (const [name, write] of this.#facts) {
      const copy = this.#bytes.slice(0, SettingsArray.stride);
      write(new SettingsArray(copy.buffer));
      if (copy.every((byte, at) => byte === this.#bytes[at])) continue;
      lost.push(name);
      write(this);
    }
    return lost;
  }
}
