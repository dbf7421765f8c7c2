import { type Cipheriv, createCipheriv, createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

const chunkBytes = 256 * 1024;

/** The first `length` bytes of an endless sequence, always the same, in which nothing repeats. */
export function bytes(length: number): Readable {
  const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16));
  return Readable.from(chunks(cipher, length), { objectMode: false });
}

function* chunks(cipher: Cipheriv, length: number): Generator<Buffer> {
  const zeros = Buffer.alloc(chunkBytes);
  for (let left = length; left > 0; left -= chunkBytes) {
    yield cipher.update(zeros.subarray(0, Math.min(left, chunkBytes)));
  }
}

/** SHA-256 of a stream, in hexadecimal. */
export async function sha256(stream: Readable): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(stream, hash);
  return hash.digest("hex");
}

// `node bytes.ts LENGTH` writes them to its standard output.
if (import.meta.main) await pipeline(bytes(Number(process.argv[2])), process.stdout);
