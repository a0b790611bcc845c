import { createHash } from 'node:crypto';
import { contentTypes, makeAudio, type AudioRecipe } from '../seed/audio.ts';
import { makeCatalogue } from '../seed/catalogue.ts';
import type { Random } from '../seed/random.ts';
import type { LoadPlan } from './options.ts';

/** A track whose every byte is known. */
export interface KnownTrack {
  readonly id: string;
  readonly title: string;
  readonly bytes: number;
  readonly contentType: string;
  readonly audio: AudioRecipe;
}

const recentKept = 200;

/** Tracks that can be played and compared: those that were seeded, and those that this run has uploaded. */
export class KnownTracks {
  readonly #seeded: readonly KnownTrack[];
  readonly #uploaded: KnownTrack[] = [];

  constructor(seeded: LoadPlan['seeded']) {
    this.#seeded = seeded === null ? [] : makeCatalogue(seeded.size, seeded.seed).tracks;
  }

  add(track: KnownTrack): void {
    this.#uploaded.push(track);
    if (this.#uploaded.length > recentKept) this.#uploaded.shift();
  }

  /** One of them, of what was uploaded as often as of what was seeded; null while there is none. */
  any(random: Random): KnownTrack | null {
    const from = this.#uploaded.length > 0 && random.chance(0.5) ? this.#uploaded : this.#seeded;
    const some = from.length === 0 ? this.#uploaded : from;
    return some.length === 0 ? null : random.pick(some);
  }

  some(random: Random, count: number): readonly KnownTrack[] {
    return random.sample([...this.#seeded.slice(0, 50), ...this.#uploaded.slice(-50)], count);
  }
}

/** A new piece of music, one to two seconds. */
export function compose(random: Random): {
  readonly audio: AudioRecipe;
  readonly bytes: Buffer;
  readonly sha256: string;
  readonly contentType: string;
} {
  const kind = random.chance(0.25) ? 'mp3' : 'wav';
  const audio: AudioRecipe = { kind, seed: random.uuid(), durationMs: random.between(4, 8) * 250 };
  const bytes = makeAudio(audio);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { audio, bytes, sha256, contentType: contentTypes[kind] };
}
