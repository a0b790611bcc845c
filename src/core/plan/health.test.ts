import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Health, Probe } from '../spec/platform.ts';
import type { DurationMs } from '../units/quantities.ts';
import {
  adoptHealth,
  beginHealth,
  healthReason,
  healthVerdict,
  nextProbe,
  noteProbe,
  type HealthProgress,
  type ProbeKind,
} from './health.ts';
import { bytesInWords, durationInWords, exitInWords } from './words.ts';

const ms = (value: number): DurationMs => value as DurationMs;
const probe = (path: string, failures: number, intervalMs = 1000): Probe => ({
  check: { kind: 'http', path },
  intervalMs: ms(intervalMs),
  timeoutMs: ms(500),
  failures,
});
const health: Health = {
  startup: probe('/start', 30),
  readiness: probe('/ready', 3),
  liveness: probe('/live', 2),
  stableForMs: ms(2000),
};

const note = (progress: HealthProgress, kind: ProbeKind, ok: boolean, at: number, refused = false): HealthProgress =>
  noteProbe(progress, health, { kind, ok, detail: refused ? 'connection refused' : 'answered 503', refused }, at);

const started = (): HealthProgress => note(beginHealth(0), 'startup', true, 100);

describe('start-up', () => {
  test('failures count only when the start-up time is over', () => {
    const before = note(beginHealth(0), 'startup', false, 29_999, true);
    expect(healthVerdict(before, health)).toBe('starting');
    const after = note(before, 'startup', false, 30_000, true);
    expect(healthVerdict(after, health)).toBe('failed');
    expect(after.failure).toBe('port never opened within 30 s (last: connection refused)');
  });

  test('a port that opened once is told apart from one that never did', () => {
    const answered = note(beginHealth(0), 'startup', false, 10);
    expect(note(answered, 'startup', false, 30_000, true).failure).toBe(
      'did not answer GET /start within 30 s (last: connection refused)',
    );
  });

  test('readiness and liveness mean nothing before the start', () => {
    const progress = note(note(beginHealth(0), 'liveness', false, 1), 'readiness', true, 1);
    expect(progress).toMatchObject({ started: false, ready: false, readyFrom: null, livenessFailures: 0 });
  });
});

describe('readiness', () => {
  test('ready after stableForMs without a break; a break begins anew', () => {
    const first = note(started(), 'readiness', true, 200);
    expect(healthVerdict(note(first, 'readiness', true, 2199), health)).toBe('starting');
    expect(healthVerdict(note(first, 'readiness', true, 2200), health)).toBe('ready');
    const broken = note(first, 'readiness', false, 1000);
    expect(healthVerdict(note(broken, 'readiness', true, 2200), health)).toBe('starting');
  });

  test('a ready instance may miss probes, but not as many in a row as declared', () => {
    let progress = adoptHealth(0, { started: true, ready: true });
    progress = note(note(progress, 'readiness', false, 1000), 'readiness', false, 2000);
    expect(healthVerdict(progress, health)).toBe('ready');
    progress = note(progress, 'readiness', false, 3000);
    expect(healthVerdict(progress, health)).toBe('unready');
    expect(healthReason(progress, health)).toBe('GET /ready failed 3 times in a row (last: answered 503)');
    expect(progress.failure).toBeNull();
  });

  test('no sequence of readiness results ever asks for a restart', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean()), (results) => {
        const end = results.reduce(
          (progress, ok, index) => note(progress, 'readiness', ok, 200 + index * 500),
          started(),
        );
        expect(end.failure).toBeNull();
      }),
    );
  });

  test('ready means: the last so many results are not all failures, and it was proven for stableForMs', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 30 }), (results) => {
        const end = results.reduce(
          (progress, ok, index) => note(progress, 'readiness', ok, 200 + index * 500),
          started(),
        );
        if (!end.ready) return;
        expect(results.slice(-3)).toContain(true);
        // 5 successes in a row at 500 ms are what 2000 ms without a break needs.
        expect(results.map((ok) => (ok ? '+' : '-')).join('')).toContain('+++++');
      }),
    );
  });
});

describe('liveness', () => {
  test('as many failures in a row as declared ask for a restart, a success in between starts the count anew', () => {
    const once = note(started(), 'liveness', false, 1000);
    expect(once.failure).toBeNull();
    expect(note(note(once, 'liveness', true, 2000), 'liveness', false, 3000).failure).toBeNull();
    expect(note(once, 'liveness', false, 2000).failure).toBe(
      'did not answer GET /live (liveness) 2 times in a row (last: answered 503)',
    );
  });

  test('after a failure was found nothing changes any more', () => {
    const failed = note(note(started(), 'liveness', false, 1000), 'liveness', false, 2000);
    expect(note(failed, 'readiness', true, 3000)).toBe(failed);
  });
});

describe('pace', () => {
  test('first probes come quickly, later ones at the declared interval, decisions are never overslept', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 29_000 }), (now) => {
        const { kind, at } = nextProbe(beginHealth(0), health, now);
        expect(kind).toBe('startup');
        expect(at).toBeGreaterThanOrEqual(now);
        expect(at - now).toBeLessThanOrEqual(Math.max(25, Math.min(1000, now / 10)));
        expect(at).toBeLessThanOrEqual(30_000);
      }),
    );
    const first = note(started(), 'readiness', true, 200);
    expect(nextProbe(first, health, 2190)).toEqual({ kind: 'readiness', at: 2200 });
    expect(nextProbe(adoptHealth(0, { started: true, ready: true }), health, 500)).toEqual({
      kind: 'readiness',
      at: 1500,
    });
  });
});

describe('words', () => {
  test.each([
    [300, '0.3 s'],
    [9_940, '9.9 s'],
    [9_960, '10 s'],
    [30_000, '30 s'],
    [119_700, '2 min'],
    [125_000, '2 min 5 s'],
    [11_400_000, '3 h 10 min'],
  ])('%d ms are %s', (value, words) => expect(durationInWords(value)).toBe(words));

  test.each([
    [500, '500 B'],
    [200_000_000, '200 MB'],
    [1_500_000_000, '1.5 GB'],
    [256 * 1024 ** 2, '256 MiB'],
    [1.5 * 1024 ** 3, '1.5 GiB'],
  ])('%d bytes are %s', (value, words) => expect(bytesInWords(value)).toBe(words));

  test('an exit is told with status, time and last words, cut when they are long', () => {
    const exit = { status: 1, signal: null, ranMs: 300, lastErrorLine: 'Error: no database', overMemoryLimit: null };
    expect(exitInWords(exit)).toBe('exited with status 1 after 0.3 s: Error: no database');
    expect(exitInWords({ ...exit, lastErrorLine: 'x'.repeat(1000) }).length).toBeLessThan(350);
    expect(exitInWords({ ...exit, status: null, signal: 'SIGSEGV', lastErrorLine: null })).toBe(
      'killed by SIGSEGV after 0.3 s',
    );
    expect(exitInWords({ ...exit, overMemoryLimit: 256 * 1024 ** 2 })).toBe(
      'used more than 256 MiB of memory (its limit) after 0.3 s',
    );
  });
});
