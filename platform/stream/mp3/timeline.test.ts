import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseFrameHeader } from './frame.ts';
import { timestampTag } from './id3.ts';
import { NotMp3, readTimeline } from './timeline.ts';
import { frameOf, id3Tag, infoFrame } from './testing.ts';

async function* inChunks(bytes: Buffer, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

const frames = (count: number, bitrate = 9): Buffer[] => Array.from({ length: count }, () => frameOf(bitrate));

describe('the head of a frame', () => {
  // Lengths by the formula of ISO/IEC 11172-3, 2.4.3.1, as public tables of MP3 frames have them.
  test.each([
    [[0xff, 0xfb, 0x90, 0x00], { bytes: 417, samples: 1_152, sampleRate: 44_100, version: 1, mono: false }],
    [[0xff, 0xfb, 0x92, 0x00], { bytes: 418, samples: 1_152, sampleRate: 44_100, version: 1, mono: false }],
    [[0xff, 0xfb, 0xe0, 0x00], { bytes: 1_044, samples: 1_152, sampleRate: 44_100, version: 1, mono: false }],
    [[0xff, 0xfb, 0x18, 0xc0], { bytes: 144, samples: 1_152, sampleRate: 32_000, version: 1, mono: true }],
    [[0xff, 0xfa, 0x94, 0x40], { bytes: 384, samples: 1_152, sampleRate: 48_000, version: 1, mono: false }],
    [[0xff, 0xf3, 0x80, 0xc0], { bytes: 208, samples: 576, sampleRate: 22_050, version: 2, mono: true }],
    [[0xff, 0xe3, 0x18, 0xc0], { bytes: 72, samples: 576, sampleRate: 8_000, version: 2.5, mono: true }],
  ])('%o', (bytes, header) => {
    expect(parseFrameHeader(Uint8Array.from(bytes), 0)).toEqual(header);
  });

  test.each([
    ['no sync', [0xff, 0x1b, 0x90, 0]],
    ['a version that is reserved', [0xff, 0xeb, 0x90, 0]],
    ['layer II', [0xff, 0xfd, 0x90, 0]],
    ['a "free" bit rate', [0xff, 0xfb, 0x00, 0]],
    ['a bit rate that is forbidden', [0xff, 0xfb, 0xf0, 0]],
    ['a sample rate that is reserved', [0xff, 0xfb, 0x9c, 0]],
    ['an emphasis that is reserved', [0xff, 0xfb, 0x90, 2]],
    ['too few bytes', [0xff, 0xfb, 0x90]],
  ])('is none with %s', (_what, bytes) => {
    expect(parseFrameHeader(Uint8Array.from(bytes), 0)).toBeNull();
  });
});

describe('the timeline of an MP3 file', () => {
  test('has segments of whole frames, that follow on each other, and all of the time', async () => {
    const file = Buffer.concat(frames(1_000));
    const { segments, sampleRate } = await readTimeline(inChunks(file, 1_000), 6);
    expect(sampleRate).toBe(44_100);
    expect(segments.reduce((sum, { samples }) => sum + samples, 0)).toBe(1_000 * 1_152);
    expect(segments.map(({ offset }) => offset)).toEqual(
      segments.map((_, index) => segments.slice(0, index).reduce((sum, { bytes }) => sum + bytes, 0)),
    );
    // 230 frames are 6.008 s: the first that reaches it. Later cuts do not add up what the first ones had too much.
    expect(segments.map(({ samples }) => samples / 1_152)).toEqual([230, 230, 230, 229, 81]);
    for (const { offset } of segments) expect(parseFrameHeader(file, offset)).not.toBeNull();
  });

  test('is the same with bit rates that change, and leaves out tags, notes of the encoder and what is cut off', async () => {
    const sound = Array.from({ length: 400 }, (_, index) => frameOf(1 + (index % 14)));
    const front = Buffer.concat([id3Tag(5_000), infoFrame()]);
    const tail = Buffer.concat([Buffer.from('TAG'), Buffer.alloc(125, 0xff)]);
    const file = Buffer.concat([front, ...sound, frameOf(9).subarray(0, 100), tail]);
    const { segments } = await readTimeline(inChunks(file, 777), 2);
    expect(segments[0]?.offset).toBe(front.length);
    expect(segments.reduce((sum, { samples }) => sum + samples, 0)).toBe(400 * 1_152);
    const last = segments.at(-1);
    expect((last?.offset ?? 0) + (last?.bytes ?? 0)).toBe(front.length + Buffer.concat(sound).length);
  });

  test('finds its way back after damage', async () => {
    const file = Buffer.concat([...frames(50), Buffer.alloc(3_000, 0xff), ...frames(50)]);
    const { segments } = await readTimeline(inChunks(file, 4_096), 6);
    expect(segments.reduce((sum, { samples }) => sum + samples, 0)).toBe(100 * 1_152);
  });

  test('does not depend on how the bytes arrive', async () => {
    const file = Buffer.concat([id3Tag(300), infoFrame(), ...frames(30), Buffer.from('damage'), ...frames(30, 5)]);
    const expected = await readTimeline(inChunks(file, file.length), 0.3);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 700 }), async (length) => {
        expect(await readTimeline(inChunks(file, length), 0.3)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  test('is refused for what is none', async () => {
    const wav = Buffer.concat([Buffer.from('RIFF....WAVEfmt '), Buffer.alloc(50_000, 7)]);
    for (const file of [
      Buffer.alloc(0),
      Buffer.from('ID3'),
      id3Tag(100),
      wav,
      Buffer.alloc(10_000, 0xff),
      frameOf(9).subarray(0, 200),
    ]) {
      await expect(readTimeline(inChunks(file, 512), 6)).rejects.toThrow(NotMp3);
    }
  });

  test('ends, whatever the bytes', async () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom(
        frameOf(3),
        frameOf(9),
        infoFrame(),
        Buffer.from('ID3\u0004\0\0\0\0\0\u0010'),
        Buffer.from([0xff, 0xfb]),
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 20 }), fc.integer({ min: 1, max: 500 }), async (pieces, length) => {
        const file = Buffer.concat(pieces);
        const timeline = await readTimeline(inChunks(file, length), 0.05).catch((error: unknown) => error);
        if (timeline instanceof NotMp3) return;
        if (timeline instanceof Error) throw timeline;
        const { segments } = timeline as Awaited<ReturnType<typeof readTimeline>>;
        for (const { offset, bytes } of segments) expect(offset + bytes).toBeLessThanOrEqual(file.length);
      }),
      { numRuns: 500 },
    );
  });
});

test('the tag of a segment tells its time on a clock of 90 kHz and 33 bits', () => {
  const tag = timestampTag(44_100 * 10, 44_100);
  expect(tag.toString('latin1', 0, 3)).toBe('ID3');
  expect(tag[3]).toBe(4);
  expect(tag.readUInt32BE(6)).toBe(tag.length - 10);
  expect(tag.toString('latin1', 10, 14)).toBe('PRIV');
  expect(tag.readUInt32BE(14)).toBe(tag.length - 20);
  expect(tag.toString('latin1', 20, tag.length - 8)).toBe('com.apple.streaming.transportStreamTimestamp\0');
  expect(tag.readBigUInt64BE(tag.length - 8)).toBe(900_000n);
  const day = timestampTag(44_100 * 100_000, 44_100);
  expect(day.readBigUInt64BE(day.length - 8)).toBe((100_000n * 90_000n) % 2n ** 33n);
});
