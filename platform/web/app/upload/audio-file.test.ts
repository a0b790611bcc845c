import { describe, expect, test } from 'vitest';
import { makeAudio } from '../../../seed/audio.ts';
import { audioTypeOf, durationOf, sha256Of } from './audio-file.ts';

const blob = (bytes: Uint8Array): Blob => new Blob([new Uint8Array(bytes)]);
const text = (content: string): Blob => blob(new TextEncoder().encode(content));

describe('a file that is to be uploaded', () => {
  test('is known by how it begins', async () => {
    expect(await audioTypeOf(blob(makeAudio({ kind: 'wav', seed: 'a', durationMs: 100 })))).toBe('audio/wav');
    expect(await audioTypeOf(blob(makeAudio({ kind: 'mp3', seed: 'a', durationMs: 100 })))).toBe('audio/mpeg');
    expect(await audioTypeOf(text('ID3\u0004'))).toBe('audio/mpeg');
    for (const other of ['', 'RIFF', 'RIFF1234AVI ', '<html>', 'MZ', '%PDF-1.7']) {
      expect(await audioTypeOf(text(other))).toBeNull();
    }
    expect(await audioTypeOf(blob(Uint8Array.of(0xff, 0xd8, 0xff)))).toBeNull();
  });

  test('says how long it plays, when it is a WAV file that is not broken', async () => {
    const wav = makeAudio({ kind: 'wav', seed: 'a', durationMs: 1500 });
    expect(await durationOf(blob(wav))).toBe(1500);
    expect(await durationOf(blob(wav.subarray(0, 30)))).toBeNull();
    const withoutRate = Buffer.from(wav);
    withoutRate.writeUInt32LE(0, 28);
    expect(await durationOf(blob(withoutRate))).toBeNull();
    expect(await durationOf(blob(makeAudio({ kind: 'mp3', seed: 'a', durationMs: 100 })))).toBeNull();
  });

  test('has the checksum that everybody gets', async () => {
    expect(await sha256Of(text('abc'))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });
});
