import { failureOf, type Failure } from '../failure.ts';
import type { Media, Track } from '../contracts.ts';
import { Store } from '../store.ts';

export interface Playing {
  readonly queue: readonly Track[];
  /** Place in the queue; -1 when nothing was chosen yet. */
  readonly index: number;
  readonly status: 'idle' | 'loading' | 'playing' | 'paused' | 'failed';
  readonly failure: Failure | null;
}

export interface Position {
  readonly nowMs: number;
  readonly totalMs: number;
}

export interface PlayerParts {
  readonly audio: HTMLAudioElement;
  readonly media: (trackId: string) => Promise<Media>;
  /** Tells the service how long a track was listened to. */
  readonly report: (trackId: string, ms: number) => void;
}

/** Shorter listening is a slip of the finger. */
const REPORT_FROM_MS = 1000;

/**
 * One audio element for the whole page: music goes on while people move about. Its URL is signed and ends some time; when
 * it does in the middle of a track, a new one is fetched and the music goes on where it was.
 */
export class Player {
  readonly playing = new Store<Playing>({ queue: [], index: -1, status: 'idle', failure: null });
  readonly position = new Store<Position>({ nowMs: 0, totalMs: 0 });
  readonly #parts: PlayerParts;
  #listenedMs = 0;
  #lastTime: number | null = null;
  #load = 0;
  #renewed = false;

  constructor(parts: PlayerParts) {
    this.#parts = parts;
    const { audio } = parts;
    audio.preload = 'auto';
    audio.addEventListener('playing', () => this.#become('playing'));
    audio.addEventListener('pause', () => {
      this.#lastTime = null;
      if (!audio.ended && this.playing.value.status === 'playing') this.#become('paused');
    });
    audio.addEventListener('waiting', () => this.#become('loading'));
    audio.addEventListener('seeking', () => {
      this.#lastTime = null;
    });
    audio.addEventListener('timeupdate', () => this.#onTime());
    audio.addEventListener('durationchange', () => this.#onTime());
    audio.addEventListener('ended', () => this.#onEnd());
    audio.addEventListener('error', () => this.#onError());
  }

  get current(): Track | null {
    const { queue, index } = this.playing.value;
    return queue[index] ?? null;
  }

  get volume(): number {
    return this.#parts.audio.volume;
  }

  /** From 0 to 1. */
  set volume(volume: number) {
    this.#parts.audio.volume = Math.min(1, Math.max(0, volume));
  }

  /** Plays a track; the list that it was chosen from plays on after it. */
  play(queue: readonly Track[], index: number): void {
    this.#report();
    this.playing.set({ queue, index, status: 'loading', failure: null });
    const track = this.current;
    if (track === null) return;
    this.#renewed = false;
    this.position.set({ nowMs: 0, totalMs: track.durationMs ?? 0 });
    this.#start(track, 0);
  }

  toggle(): void {
    const { audio } = this.#parts;
    const { status, queue, index } = this.playing.value;
    if (status === 'failed') this.play(queue, index);
    else if (status === 'playing' || status === 'loading') audio.pause();
    else this.#resume();
    if (status === 'loading') this.#become('paused');
  }

  step(by: 1 | -1): void {
    const { queue, index } = this.playing.value;
    if (by === -1 && this.position.value.nowMs > 3000) this.seek(0);
    else if (queue[index + by] !== undefined) this.play(queue, index + by);
  }

  seek(ms: number): void {
    this.#parts.audio.currentTime = ms / 1000;
    this.position.set({ ...this.position.value, nowMs: ms });
  }

  /** Says what was listened to so far; for a page that is being left. */
  flush(): void {
    this.#report();
  }

  /** Logged out, or the track is deleted. */
  stop(): void {
    this.#report();
    this.#load += 1;
    this.#parts.audio.pause();
    this.#parts.audio.removeAttribute('src');
    this.#parts.audio.load();
    this.playing.set({ queue: [], index: -1, status: 'idle', failure: null });
  }

  #start(track: Track, fromMs: number): void {
    this.#load += 1;
    this.#parts.audio.pause();
    void this.#fetch(track, fromMs, this.#load);
  }

  async #fetch(track: Track, fromMs: number, load: number): Promise<void> {
    const { audio } = this.#parts;
    try {
      const media = await this.#parts.media(track.id);
      if (load !== this.#load) return;
      audio.src = media.url;
      if (fromMs > 0) audio.currentTime = fromMs / 1000;
      this.#resume();
    } catch (error) {
      if (load === this.#load) this.#fail(failureOf(error));
    }
  }

  #resume(): void {
    const load = this.#load;
    this.#become('loading');
    this.#parts.audio.play().catch((error: unknown) => {
      if (load !== this.#load) return;
      // The browser wants a click first, or somebody has paused meanwhile: nothing is wrong.
      const name = error instanceof DOMException ? error.name : '';
      if (name === 'NotAllowedError' || name === 'AbortError') this.#become('paused');
    });
  }

  #become(status: Playing['status']): void {
    const now = this.playing.value;
    if (now.index >= 0 && now.status !== 'failed') this.playing.set({ ...now, status });
  }

  #fail(failure: Failure): void {
    this.playing.set({ ...this.playing.value, status: 'failed', failure });
  }

  #onTime(): void {
    const { audio } = this.#parts;
    const nowMs = audio.currentTime * 1000;
    const known = Number.isFinite(audio.duration) ? audio.duration * 1000 : (this.current?.durationMs ?? 0);
    this.position.set({ nowMs, totalMs: known });
    if (!audio.paused && this.#lastTime !== null && nowMs > this.#lastTime) this.#listenedMs += nowMs - this.#lastTime;
    this.#lastTime = nowMs;
  }

  #onEnd(): void {
    this.#report();
    const { queue, index } = this.playing.value;
    if (queue[index + 1] === undefined) this.#become('paused');
    else this.play(queue, index + 1);
  }

  #onError(): void {
    const track = this.current;
    if (track === null || !this.#parts.audio.hasAttribute('src')) return;
    if (this.#renewed) {
      this.#fail(failureOf(this.#parts.audio.error));
      return;
    }
    this.#renewed = true;
    this.#start(track, this.position.value.nowMs);
  }

  #report(): void {
    const track = this.current;
    const ms = Math.round(this.#listenedMs);
    this.#listenedMs = 0;
    this.#lastTime = null;
    if (track !== null && ms >= REPORT_FROM_MS) this.#parts.report(track.id, ms);
  }
}
