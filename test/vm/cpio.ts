/** A regular file or a folder of a cpio archive; a folder has no content. */
export interface Entry {
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  readonly content?: Buffer;
}

const TRAILER = "TRAILER!!!";

/**
 * A cpio archive in the "newc" form that the kernel unpacks as its first root
 * (Documentation/driver-api/early-userspace/buffer-format.rst).
 */
export const cpio = (entries: readonly Entry[]): Buffer =>
  Buffer.concat([...entries, { path: TRAILER, mode: 0 }].flatMap(record));

const record = (entry: Entry, index: number): readonly Buffer[] => {
  const content = entry.content ?? Buffer.alloc(0);
  const name = Buffer.from(`${entry.path}\0`);
  return [
    ...padded(Buffer.concat([header(entry, index, content, name), name])),
    ...padded(content),
  ];
};

const header = (entry: Entry, index: number, content: Buffer, name: Buffer): Buffer => {
  const fields = [index + 1, modeOf(entry), 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  return Buffer.from(
    `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`,
  );
};

const modeOf = (entry: Entry): number => {
  if (entry.path === TRAILER) return 0;
  return entry.mode | (entry.content === undefined ? 0o040000 : 0o100000);
};

const padded = (bytes: Buffer): readonly Buffer[] => [bytes, Buffer.alloc(-bytes.length & 3)];
