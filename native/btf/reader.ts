import { MalformedError } from "../malformed.ts";

/** A cursor over little-endian fields that refuses to read past the end. */
export class ByteReader {
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#at === this.#view.byteLength;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  times<T>(count: number, read: () => T): T[] {
    return Array.from({ length: count }, read);
  }

  #take(size: number): number {
    const at = this.#at;
    if (at + size > this.#view.byteLength) {
      throw new MalformedError("BTF", `a type at ${at} is cut short`);
    }
    this.#at = at + size;
    return at;
  }
}
