import type { MirrorSecond } from '../traffic.ts';
import { wilson } from './limits.ts';

/** Copies since the first one. */
export interface MirrorWatch {
  readonly pairs: number;
  readonly skipped: number;
  /** Stable's own failures: such a pair may differ by them alone. */
  readonly stableErrors: number;
  readonly statusDiffers: number;
  readonly sizeDiffers: number;
  readonly shapeDiffers: number;
}

export const openMirrorWatch: MirrorWatch = {
  pairs: 0,
  skipped: 0,
  stableErrors: 0,
  statusDiffers: 0,
  sizeDiffers: 0,
  shapeDiffers: 0,
};

/** Answers that differ are no failures yet, but so many of them are another program: at least, surely, this share. */
const TOLERATED_SHARE = 0.05;
const LEAST_DIFFERENT = 5;

export const watchMirror = (watch: MirrorWatch, mirror: MirrorSecond): MirrorWatch => ({
  pairs: watch.pairs + mirror.pairs,
  skipped: watch.skipped + mirror.skipped,
  stableErrors: watch.stableErrors + mirror.stableErrors,
  statusDiffers: watch.statusDiffers + mirror.statusDiffers,
  sizeDiffers: watch.sizeDiffers + mirror.sizeDiffers,
  shapeDiffers: watch.shapeDiffers + mirror.shapeDiffers,
});

/** What the copies say against the candidate, in words; null when nothing. Sizes alone condemn nobody: a clock on the page is enough. */
export function differenceOf(watch: MirrorWatch): string | null {
  const { pairs } = watch;
  const status = watch.statusDiffers - watch.stableErrors;
  if (differs(status, pairs))
    return `${status} of ${pairs} copied requests got a status of another class than stable's answer`;
  if (differs(watch.shapeDiffers, pairs))
    return `${watch.shapeDiffers} of ${pairs} copied requests got JSON of another shape than stable's answer`;
  return null;
}

const differs = (count: number, pairs: number): boolean =>
  count >= LEAST_DIFFERENT && wilson(count, pairs)[0] > TOLERATED_SHARE;
