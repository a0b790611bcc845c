import { HEADER_BYTES, isInfoFrame, parseFrameHeader, type FrameHeader } from './frame.ts';

/** A run of whole frames. */
export interface Segment {
  /** Of its first frame in the file, and up to the next segment's. */
  readonly offset: number;
  readonly bytes: number;
  /** Samples before it. */
  readonly startSample: number;
  readonly samples: number;
}

/** Where in an MP3 file which time is. */
export interface Timeline {
  readonly sampleRate: number;
  /** At least one. */
  readonly segments: readonly Segment[];
}

/** The content is not an MP3 file that can be cut: no frames, or of changing sample rates. */
export class NotMp3 extends Error {
  constructor() {
    super('no frames of MPEG audio, layer III, were found');
    this.name = 'NotMp3';
  }
}

const ID3_HEADER_BYTES = 10;

/**
 * Finds the frames of an MP3 file and groups them. Reads it once from front to back and keeps the groups alone, so that it
 * takes files of any length and with changing bit rates. Tags before, between and after the frames are left out of the time.
 *
 * @param segmentSeconds a segment ends with the first frame that reaches a multiple of it
 * @throws NotMp3
 */
export async function readTimeline(body: AsyncIterable<Uint8Array>, segmentSeconds: number): Promise<Timeline> {
  const frames = new FrameFinder();
  const cutter = new Cutter(segmentSeconds);
  for await (const chunk of body) {
    for (const frame of frames.feed(chunk)) cutter.add(frame);
  }
  for (const frame of frames.end()) cutter.add(frame);
  return cutter.timeline();
}

interface Frame extends FrameHeader {
  readonly offset: number;
}

/** Walks from frame to frame over chunks of any size. */
class FrameFinder {
  #pending = Buffer.alloc(0);
  /** Where in the file `#pending` begins. */
  #offset = 0;
  /** Bytes to pass over: a tag, or the rest of a frame. */
  #skip = 0;
  /** The first frame: all others are of its kind. */
  #first: FrameHeader | null = null;
  #synchronised = false;
  #ended = false;

  *feed(chunk: Uint8Array): Generator<Frame> {
    this.#pending = this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
    yield* this.#walk();
  }

  *end(): Generator<Frame> {
    this.#ended = true;
    yield* this.#walk();
  }

  *#walk(): Generator<Frame> {
    for (;;) {
      const skipped = Math.min(this.#skip, this.#pending.length);
      this.#advance(skipped);
      this.#skip -= skipped;
      if (this.#skip > 0) return;
      if (this.#pending.length < ID3_HEADER_BYTES && !this.#ended) return;
      if (this.#pending.length < HEADER_BYTES) return;
      const tag = id3Length(this.#pending);
      if (tag !== null) {
        this.#skip = tag;
        continue;
      }
      const header = this.#headerAt(0);
      if (header === null) {
        this.#synchronised = false;
        this.#advance(this.#toNextSync());
        continue;
      }
      // A whole frame and the head of the next, or the end, are needed to know that this one is none by chance.
      const needed = header.bytes + HEADER_BYTES;
      if (this.#pending.length < needed && !this.#ended) return;
      if (this.#pending.length < header.bytes) return;
      const follows = this.#pending.length < needed || this.#headerAt(header.bytes) !== null;
      if (!this.#synchronised && !follows) {
        this.#advance(this.#toNextSync());
        continue;
      }
      this.#synchronised = true;
      const info = this.#first === null && isInfoFrame(this.#pending.subarray(0, header.bytes), header);
      this.#first ??= header;
      const offset = this.#offset;
      this.#advance(header.bytes);
      if (!info) yield { ...header, offset };
    }
  }

  #headerAt(at: number): FrameHeader | null {
    const header = parseFrameHeader(this.#pending, at);
    if (header === null || this.#first === null) return header;
    return header.version === this.#first.version && header.sampleRate === this.#first.sampleRate ? header : null;
  }

  #toNextSync(): number {
    const next = this.#pending.indexOf(0xff, 1);
    return next === -1 ? this.#pending.length : next;
  }

  #advance(bytes: number): void {
    this.#pending = this.#pending.subarray(bytes);
    this.#offset += bytes;
  }
}

class Cutter {
  readonly #segmentSeconds: number;
  readonly #segments: Segment[] = [];
  #sampleRate = 0;
  #samples = 0;
  #open: { readonly offset: number; readonly startSample: number } | null = null;
  #end = 0;

  constructor(segmentSeconds: number) {
    this.#segmentSeconds = segmentSeconds;
  }

  add(frame: Frame): void {
    this.#sampleRate = frame.sampleRate;
    const due = (this.#segments.length + 1) * this.#segmentSeconds * frame.sampleRate;
    if (this.#open !== null && this.#samples >= due) this.#close(frame.offset);
    this.#open ??= { offset: frame.offset, startSample: this.#samples };
    this.#samples += frame.samples;
    this.#end = frame.offset + frame.bytes;
  }

  timeline(): Timeline {
    this.#close(this.#end);
    if (this.#segments.length === 0) throw new NotMp3();
    return { sampleRate: this.#sampleRate, segments: this.#segments };
  }

  #close(end: number): void {
    if (this.#open === null) return;
    const { offset, startSample } = this.#open;
    this.#segments.push({ offset, bytes: end - offset, startSample, samples: this.#samples - startSample });
    this.#open = null;
  }
}

// https://id3.org/id3v2.4.0-structure: seven bits of each byte of the length count; a footer is as long as the header.
function id3Length(bytes: Buffer): number | null {
  if (bytes.length < ID3_HEADER_BYTES || bytes.toString('latin1', 0, 3) !== 'ID3') return null;
  const size = bytes.subarray(6, 10).reduce((sum, byte) => sum * 128 + (byte & 0x7f), 0);
  const footer = ((bytes[5] ?? 0) & 0x10) === 0 ? 0 : ID3_HEADER_BYTES;
  return ID3_HEADER_BYTES + size + footer;
}
