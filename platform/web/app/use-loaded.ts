import { useCallback, useEffect, useRef, useState } from 'react';
import { failureOf, isAbort, type Failure } from './failure.ts';

export type Loaded<T> =
  | { readonly state: 'loading' }
  | { readonly state: 'there'; readonly value: T }
  | { readonly state: 'failed'; readonly failure: Failure };

export interface Loading<T> {
  readonly loaded: Loaded<T>;
  /** Asks again; what is there stays until the answer comes. */
  readonly reload: () => void;
  /** Puts a value in without asking: what a change has answered. */
  readonly set: (value: T) => void;
}

/**
 * Loads what a page shows, again when `key` changes; an answer that comes too late is dropped.
 *
 * @param key names what is loaded
 * @param load what to do; the one of the latest rendering is used
 */
export function useLoaded<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Loading<T> {
  const [{ of, loaded }, setLoaded] = useState<{ of: string; loaded: Loaded<T> }>({
    of: key,
    loaded: { state: 'loading' },
  });
  const [attempt, setAttempt] = useState(0);
  const latest = useRef(load);
  useEffect(() => {
    latest.current = load;
  });

  useEffect(() => {
    const ending = new AbortController();
    const put = (next: Loaded<T>): void => {
      if (!ending.signal.aborted) setLoaded({ of: key, loaded: next });
    };
    latest
      .current(ending.signal)
      .then((value) => put({ state: 'there', value }))
      .catch((error: unknown) => {
        if (!isAbort(error)) put({ state: 'failed', failure: failureOf(error) });
      });
    return () => ending.abort();
  }, [key, attempt]);

  const reload = useCallback(() => {
    setLoaded((now) => (now.loaded.state === 'failed' ? { of: now.of, loaded: { state: 'loading' } } : now));
    setAttempt((count) => count + 1);
  }, []);
  const set = useCallback((value: T) => setLoaded({ of: key, loaded: { state: 'there', value } }), [key]);
  return { loaded: of === key ? loaded : { state: 'loading' }, reload, set };
}
