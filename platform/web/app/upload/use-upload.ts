import { useCallback, useEffect, useRef, useState } from 'react';
import { failureOf, isAbort, type Failure } from '../failure.ts';
import { usePersonId, useServices } from '../services.tsx';
import { type AudioType, durationOf, sha256Of } from './audio-file.ts';
import { upload } from './upload.ts';
import { waitOrOnline } from './wait.ts';

export interface TrackWords {
  readonly title: string;
  readonly genre: string;
  readonly language: string;
}

export type UploadState =
  | { readonly kind: 'ready' }
  | { readonly kind: 'hashing' }
  | { readonly kind: 'sending' | 'waiting' | 'paused'; readonly done: number; readonly resumedAt: number }
  | { readonly kind: 'done'; readonly trackId: string }
  | { readonly kind: 'failed'; readonly failure: Failure };

export interface Upload {
  readonly state: UploadState;
  readonly start: (file: File, type: AudioType, words: TrackWords) => void;
  readonly pause: () => void;
  /** Forgets it, here and at the service. */
  readonly giveUp: () => void;
  /** After one is done: ready for the next. */
  readonly reset: () => void;
}

/** One upload at a time: begun, paused, gone on with. What is known of it outlives the page. */
export function useUpload(): Upload {
  const { api, uploads } = useServices();
  const person = usePersonId();
  const [state, setState] = useState<UploadState>({ kind: 'ready' });
  const running = useRef<AbortController | null>(null);
  const track = useRef<string | null>(null);
  useEffect(() => () => running.current?.abort(), []);

  const run = useCallback(
    async (file: File, type: AudioType, words: TrackWords, signal: AbortSignal): Promise<void> => {
      setState({ kind: 'hashing' });
      const [sha256, durationMs] = await Promise.all([sha256Of(file), durationOf(file)]);
      const known = uploads.trackOf(person, sha256);
      const begun = known === null ? null : await api.trackIfThere(known, signal);
      const isSame =
        begun !== null && (Object.keys(words) as (keyof TrackWords)[]).every((key) => begun[key] === words[key]);
      // Other words for the same file: the service keeps what was declared first, so it begins anew.
      if (begun?.state === 'uploading' && !isSame) await api.deleteTrack(begun.id, signal);
      let id = isSame ? begun.id : null;
      let offset: number | null = null;
      if (id === null) {
        const declared = { id: crypto.randomUUID(), ...words, bytes: file.size, sha256, contentType: type };
        // Remembered before it is sent: the answer may be lost.
        uploads.remember(person, sha256, declared.id);
        const started = await api.declareTrack({ ...declared, ...(durationMs === null ? {} : { durationMs }) }, signal);
        id = started.id;
        offset = started.upload.offset;
      }
      track.current = id;
      let resumedAt: number | null = null;
      if (begun?.state !== 'ready' || !isSame) {
        await upload({
          file,
          offset,
          target: api.uploadTarget(id),
          signal,
          onProgress: (done, kind) => {
            resumedAt ??= done;
            setState({ kind, done, resumedAt });
          },
          wait: waitOrOnline,
          random: Math.random,
        });
      }
      uploads.forget(id);
      setState({ kind: 'done', trackId: id });
    },
    [api, uploads, person],
  );

  const start = useCallback(
    (file: File, type: AudioType, words: TrackWords) => {
      running.current?.abort();
      const controller = new AbortController();
      running.current = controller;
      run(file, type, words, controller.signal).catch((error: unknown) => {
        if (!isAbort(error)) setState({ kind: 'failed', failure: failureOf(error) });
      });
    },
    [run],
  );

  const pause = useCallback(() => {
    running.current?.abort();
    setState((now) =>
      now.kind === 'sending' || now.kind === 'waiting' ? { ...now, kind: 'paused' } : { kind: 'ready' },
    );
  }, []);

  const giveUp = useCallback(() => {
    running.current?.abort();
    const id = track.current;
    track.current = null;
    setState({ kind: 'ready' });
    if (id === null) return;
    uploads.forget(id);
    // An upload that nobody goes on with ends by itself after a day: nothing is lost when this fails.
    api.deleteTrack(id, AbortSignal.timeout(10_000)).catch(() => undefined);
  }, [api, uploads]);

  const reset = useCallback(() => {
    track.current = null;
    setState({ kind: 'ready' });
  }, []);

  return { state, start, pause, giveUp, reset };
}
