import { Random } from './random.ts';

/** What a piece of audio is made from; the same recipe gives the same bytes. */
export interface AudioRecipe {
  readonly kind: 'wav' | 'mp3';
  readonly seed: string;
  readonly durationMs: number;
}

export const contentTypes = { wav: 'audio/wav', mp3: 'audio/mpeg' } as const;

const sampleRate = 8_000;
const noteMs = 250;
/** Steps of the phase, of 65,536 a period and per sample, of a pentatonic scale from 220 Hz: whole numbers, so that no machine rounds. */
const scale = [1_802, 2_142, 2_404, 2_699, 3_208, 3_604, 4_284] as const;

export function makeAudio(recipe: AudioRecipe): Buffer {
  return recipe.kind === 'wav' ? makeWav(recipe) : makeMp3(recipe);
}

/** A melody of two voices: PCM, 16 bits, one channel, 8 kHz (RIFF WAVE, Microsoft and IBM 1991). */
function makeWav({ seed, durationMs }: AudioRecipe): Buffer {
  const random = new Random(seed, 'wav');
  const samples = Math.round((durationMs * sampleRate) / 1_000);
  const wav = Buffer.alloc(44 + samples * 2);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(wav.length - 8, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(sampleRate, 24);
  wav.writeUInt32LE(sampleRate * 2, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(samples * 2, 40);
  const perNote = (noteMs * sampleRate) / 1_000;
  let [high, low, highStep, lowStep] = [0, 0, 0, 0];
  for (let at = 0; at < samples; at += 1) {
    if (at % perNote === 0) highStep = random.pick(scale);
    if (at % (perNote * 4) === 0) lowStep = random.pick(scale) >> 1;
    high = (high + highStep) & 0xffff;
    low = (low + lowStep) & 0xffff;
    // Each note fades, so that one hears where the next begins.
    const loudness = perNote - (at % perNote);
    wav.writeInt16LE(Math.floor((triangle(high) * loudness) / perNote / 4 + triangle(low) / 8), 44 + at * 2);
  }
  return wav;
}

/** From -32,768 to 32,767 and back, by the phase. */
function triangle(phase: number): number {
  return phase < 0x8000 ? phase * 2 - 0x8000 : 0x17fff - phase * 2;
}

/** MPEG 1, layer III, 32 kbit/s, 32 kHz, mono, no CRC: frames of 144 bytes and 36 ms. */
const mp3Header = Buffer.from([0xff, 0xfb, 0x18, 0xc0]);
const mp3 = { frameBytes: 144, frameMs: 36, sideInfoBytes: 17 } as const;

/**
 * Silence in real frames. The side information says that no granule has data, so all that follows in a frame is ancillary
 * data, which decoders pass over (ISO/IEC 11172-3, 2.4.1.7): that is where one file differs from another. Its bytes are below
 * 0x80, so that none looks like the start of a frame.
 */
function makeMp3({ seed, durationMs }: AudioRecipe): Buffer {
  const random = new Random(seed, 'mp3');
  const frames: Buffer[] = [];
  for (let at = 0; at < durationMs; at += mp3.frameMs) {
    const frame = Buffer.alloc(mp3.frameBytes);
    mp3Header.copy(frame);
    const start = mp3Header.length + mp3.sideInfoBytes;
    for (const [offset, byte] of random.bytes(mp3.frameBytes - start).entries()) frame[start + offset] = byte & 0x7f;
    frames.push(frame);
  }
  return Buffer.concat(frames);
}
