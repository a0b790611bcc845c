import { describe, expect, it } from 'vitest';
import { settingsOf } from './settings.ts';
import { chance, evenRoutes, recordOf, secondOf } from './testing/route-traffic.ts';
import { outcomeOf, whatIf, WHAT_IF_NAMES } from './what-if.ts';

const START = 1_700_000_000;
const base = recordOf([]).settings;

const changed = (...texts: readonly string[]) =>
  texts.reduce((settings, text) => {
    const answer = whatIf(settings, text);
    if (!answer.ok) throw new Error(answer.problem);
    return answer.settings;
  }, base);
const problemOf = (text: string): string => {
  const answer = whatIf(base, text);
  return answer.ok ? 'none' : `${answer.problem} ${answer.hint}`;
};

describe('settings that might have been', () => {
  it.each([
    ['alpha=0.001', { alpha: 0.001 }],
    ['alpha=1e-4', { alpha: 0.0001 }],
    ['alpha=0.1%', { alpha: 0.001 }],
    ['falseAlarms=0.1', { alpha: 0.001 }],
    ['falseAlarms=0.1%', { alpha: 0.001 }],
    ['beta=0.1', { beta: 0.1 }],
    ['tolerance=20%', { delta: 0.2 }],
    ['delta=0', { delta: 0 }],
    ['slower=20%', { slower: 0.2 }],
    ['warmUp=1m', { warmUpSeconds: 60 }],
    ['latencyWarmUpSeconds=10', { latencyWarmUpSeconds: 10 }],
    ['minErrors=1', { minErrors: 1 }],
    ['burst=5', { burst: 5 }],
    ['burst=null', { burst: null }],
    ['horizonSeconds=600', { horizonSeconds: 600 }],
  ])('%s', (text, expected) => {
    expect(changed(text).analysis).toMatchObject(expected);
    expect(changed(text).limits).toEqual(base.limits);
  });

  it.each([
    ['limits.minSuccess=95%', { minSuccessPercent: 95 }],
    ['limits.maxP99=1.5s', { maxP99Ms: 1_500 }],
    ['limits.maxP99Ms=300', { maxP99Ms: 300 }],
    ['limits.minRequests=20', { minRequests: 20 }],
  ])('%s', (text, expected) => {
    expect(changed(text).limits).toMatchObject(expected);
    expect(changed(text).analysis).toEqual(base.analysis);
  });

  it('take a word for everything it stands for, and go on from there', () => {
    const { analysis } = changed('analysis=careful', 'minErrors=7');
    expect(analysis).toEqual({ ...settingsOf('careful'), minErrors: 7 });
  });

  it('say what is wrong, and how it is right', () => {
    expect(problemOf('alhpa=0.1')).toMatch(/no setting called `alhpa`; did you mean `alpha`\? Known: analysis, alpha/);
    expect(problemOf('alpha')).toContain('Write name=value');
    expect(problemOf('alpha=')).toContain('Write name=value');
    expect(problemOf('alpha=2')).toMatch(/`alpha=2` is not a share above 0 and up to 0\.5/);
    expect(problemOf('alpha=nan')).toContain('is not a share');
    expect(problemOf('minErrors=1.5')).toContain('is not a whole number from 1');
    expect(problemOf('warmUp=5%')).toContain('is not a time');
    expect(problemOf('analysis=carefull')).toBe('`carefull` is no analysis Known: careful, balanced, fast.');
  });

  it('tell when no verdict depends on one', () => {
    expect(whatIf(base, 'bake=5s')).toMatchObject({
      ok: true,
      note: expect.stringContaining('no verdict depends on it') as string,
    });
  });

  it('know every name that they list', () => {
    for (const name of WHAT_IF_NAMES) expect(problemOf(`${name}=?`)).not.toContain('no setting called');
  });
});

describe('what they would have done', () => {
  const random = chance(12);
  const models = evenRoutes(4, 100, () => (second, arm) => (arm === 'candidate' && second > START + 10 ? 0.1 : 0.002));
  const record = recordOf(Array.from({ length: 200 }, (_, index) => secondOf(models, START + index, 10, random)));
  const outcome = (...texts: readonly string[]) => outcomeOf(record, changed(...texts));

  it('is later and costs more failed requests where fewer false alarms are wanted', () => {
    const [fast, balanced, strict] = [outcome('alpha=0.05'), outcome(), outcome('alpha=0.000001')];
    expect(fast.worseAt ?? Infinity).toBeLessThanOrEqual(balanced.worseAt ?? 0);
    expect(balanced.worseAt ?? Infinity).toBeLessThan(strict.worseAt ?? 0);
    expect(balanced.failed).toBeLessThan(strict.failed);
    expect(strict.threshold).toBe(1_000_000);
    expect(balanced.highest).toBeGreaterThanOrEqual(100);
  });

  it('is nothing where the candidate may be as bad', () => {
    const lenient = outcome('tolerance=10000%');
    expect(lenient.worseAt).toBeNull();
    expect(lenient.failed).toBe(
      record.seconds.reduce((sum, { traffic }) => sum + traffic.arms.candidate.serverErrors, 0),
    );
    expect(lenient.highest).toBeLessThan(lenient.threshold);
  });
});
