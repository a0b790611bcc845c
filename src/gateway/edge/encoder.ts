import { Transform, type TransformCallback } from 'node:stream';
import { constants, createBrotliCompress, createGzip, createZstdCompress } from 'node:zlib';
import type { AnswerEncoder } from '../edge-policy.ts';
import type { Encoding } from './accept-encoding.ts';

// Levels by what they cost a gateway that compresses each answer anew; the windows bound the memory of one answer.
const codecs = {
  gzip: {
    create: () => createGzip({ level: 5 }),
    flush: constants.Z_SYNC_FLUSH,
  },
  br: {
    create: () =>
      createBrotliCompress({
        params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_LGWIN]: 18 },
      }),
    flush: constants.BROTLI_OPERATION_FLUSH,
  },
  zstd: {
    create: () =>
      createZstdCompress({
        params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_windowLog]: 18 },
      }),
    flush: constants.ZSTD_e_flush,
  },
} as const;

type Codec = ReturnType<(typeof codecs)[Encoding]['create']>;

/** Flushing costs a few bytes and some of the saving, so a trickle of single bytes is gathered for so long. */
const flushEveryMs = 20;

/** An encoder that costs nothing until its stream is asked for: an answer to HEAD never does. */
export function createEncoder(encoding: Encoding): AnswerEncoder {
  let stream: Transform | null = null;
  return {
    encoding,
    get stream() {
      stream ??= new FlushingEncoder(encoding);
      return stream;
    },
  };
}

/**
 * Compresses, and hands out what it has when no more comes: at once after a pause, and at most every 20 ms while little
 * comes. A full stream is never flushed. Its memory is that of the codec and two buffers, whatever the length.
 */
class FlushingEncoder extends Transform {
  readonly #codec: Codec;
  readonly #flushKind: number;
  #writing = false;
  #unflushed = false;
  #lastFlush = Number.NEGATIVE_INFINITY;
  #immediate: NodeJS.Immediate | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(encoding: Encoding) {
    super();
    this.#flushKind = codecs[encoding].flush;
    this.#codec = codecs[encoding].create();
    this.#codec.on('data', (bytes: Buffer) => {
      if (!this.push(bytes)) this.#codec.pause();
    });
    this.#codec.on('error', (error) => this.destroy(error));
  }

  override _read(size: number): void {
    this.#codec.resume();
    super._read(size);
  }

  override _transform(bytes: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#writing = true;
    this.#codec.write(bytes, (error) => {
      this.#writing = false;
      this.#unflushed = true;
      this.#planFlush();
      done(error);
    });
  }

  override _flush(done: TransformCallback): void {
    this.#forget();
    this.#codec.once('end', () => done());
    this.#codec.end();
    this.#codec.resume();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#forget();
    this.#codec.destroy();
    done(error);
  }

  /** In the next turn of the event loop, when nothing else has come until then. */
  #planFlush(): void {
    if (this.#immediate !== null || this.#timer !== null) return;
    this.#immediate = setImmediate(() => {
      this.#immediate = null;
      if (this.#writing || !this.#unflushed || this.destroyed) return;
      const wait = this.#lastFlush + flushEveryMs - performance.now();
      if (wait <= 0) this.#flushNow();
      else {
        this.#timer = setTimeout(() => {
          this.#timer = null;
          if (this.#unflushed && !this.destroyed) this.#flushNow();
        }, wait);
      }
    });
  }

  #flushNow(): void {
    this.#unflushed = false;
    this.#lastFlush = performance.now();
    this.#codec.flush(this.#flushKind);
  }

  #forget(): void {
    if (this.#immediate !== null) clearImmediate(this.#immediate);
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#immediate = null;
    this.#timer = null;
  }
}
