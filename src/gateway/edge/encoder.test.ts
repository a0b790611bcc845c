import { setTimeout as after } from 'node:timers/promises';
import { pipeline } from 'node:stream/promises';
import { Readable, Writable } from 'node:stream';
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createZstdDecompress,
  gunzipSync,
  zstdDecompressSync,
} from 'node:zlib';
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Encoding } from './accept-encoding.ts';
import { createEncoder } from './encoder.ts';

const decode = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync };
const decoder = { gzip: createGunzip, br: createBrotliDecompress, zstd: createZstdDecompress };
const encodings: readonly Encoding[] = ['gzip', 'br', 'zstd'];

describe.each(encodings)('the encoder for %s', (encoding) => {
  it('gives back what went in, and fewer bytes of a text', async () => {
    const text = Buffer.from('{"name":"veza","kind":"text"},'.repeat(20_000));
    const out: Buffer[] = [];
    await pipeline(
      Readable.from(
        (function* pieces() {
          for (let i = 0; i < text.length; i += 16_000) yield text.subarray(i, i + 16_000);
        })(),
      ),
      createEncoder(encoding).stream,
      new Writable({
        write: (bytes: Buffer, _encoding, done) => {
          out.push(Buffer.from(bytes));
          done();
        },
      }),
    );
    const encoded = Buffer.concat(out);
    expect(encoded.length).toBeLessThan(text.length / 20);
    expect(decode[encoding](encoded).equals(text)).toBe(true);
  });

  it('of nothing is a whole stream of nothing', async () => {
    const { stream } = createEncoder(encoding);
    stream.end();
    const out = Buffer.concat((await stream.toArray()) as Buffer[]);
    expect(decode[encoding](out).length).toBe(0);
  });

  it('holds nothing back when little comes', async () => {
    const { stream } = createEncoder(encoding);
    const readable = stream.pipe(decoder[encoding]());
    let received = '';
    readable.on('data', (bytes: Buffer) => (received += bytes.toString()));
    for (const piece of ['a', 'bc', 'def']) {
      const before = received.length;
      stream.write(piece);
      // Given that nothing follows and the stream stays open
      const deadline = Date.now() + 5_000;
      while (received.length < before + piece.length && Date.now() < deadline) await after(2);
    }
    expect(received).toBe('abcdef');
    stream.destroy();
    readable.destroy();
  });

  it('does not flush after each byte of many', async () => {
    const { stream } = createEncoder(encoding);
    const out: Buffer[] = [];
    stream.on('data', (bytes: Buffer) => out.push(bytes));
    for (let i = 0; i < 500; i += 1) {
      stream.write('x');
      if (i % 10 === 0) await after(1);
    }
    stream.end();
    await new Promise((resolve) => stream.once('end', resolve));
    expect(decode[encoding](Buffer.concat(out)).toString()).toBe('x'.repeat(500));
    expect(out.length).toBeLessThan(60);
  });

  it('waits for a slow reader instead of growing', async () => {
    const { stream } = createEncoder(encoding);
    const noise = randomBytes(64 * 1_024);
    let written = 0;
    while (stream.write(noise) && written < 1_000) written += 1;
    await after(50);
    expect(written).toBeLessThan(20);
    expect(stream.readableLength).toBeLessThan(1_000_000);
    stream.destroy();
  });

  it('can be given up in the middle', async () => {
    const { stream } = createEncoder(encoding);
    stream.write(randomBytes(100_000));
    stream.destroy();
    await new Promise((resolve) => stream.once('close', resolve));
    expect(stream.destroyed).toBe(true);
  });
});
