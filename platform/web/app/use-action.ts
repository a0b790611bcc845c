import { useCallback, useEffect, useRef, useState } from 'react';
import { failureOf, isAbort, type Failure } from './failure.ts';

export interface Action {
  readonly busy: boolean;
  readonly failure: Failure | null;
  /** Runs, unless it still runs; a failure is kept to be shown. */
  readonly run: (what: (signal: AbortSignal) => Promise<void>) => void;
}

/** Something that a person starts and that may fail: one at a time, ended when its page goes. */
export function useAction(): Action {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);

  const run = useCallback((what: (signal: AbortSignal) => Promise<void>) => {
    if (running.current !== null) return;
    const controller = new AbortController();
    running.current = controller;
    setBusy(true);
    setFailure(null);
    what(controller.signal)
      .catch((error: unknown) => {
        if (!isAbort(error)) setFailure(failureOf(error));
      })
      .finally(() => {
        running.current = null;
        setBusy(false);
      });
  }, []);
  return { busy, failure, run };
}
