import { describe, expect, it } from 'vitest';
import { explainedLeg, NOW } from '../../../test/fixtures/views.ts';
import type { LegExplanationView } from '../../api/explanation-schemas.ts';
import { evidenceText, explanationLines } from './explanation.ts';
import { type Style, widthOf } from './style.ts';

const PLAIN: Style = { colour: false, unicode: true, width: 80 };
const lines = (leg: LegExplanationView, style: Partial<Style> = {}): readonly string[] =>
  explanationLines(leg, { style: { ...PLAIN, ...style }, now: NOW });
const show = (over: Partial<LegExplanationView> = {}, style: Partial<Style> = {}): string =>
  lines(explainedLeg(over), style).join('\n');
const kept = (over: Partial<NonNullable<LegExplanationView['kept']>>): Partial<LegExplanationView> => {
  const whole = explainedLeg().kept;
  return whole === null ? {} : { kept: { ...whole, ...over } };
};

describe('the explanation on the screen', () => {
  it('begins with the verdict, since when, and how much users met', () => {
    expect(show()).toMatch(/^ {2}✘ web: worse, compared with stable: errors: 42 of 231/);
    expect(show()).toMatch(/worse since \d\d:\d\d:40, certain 8 s later/);
    expect(show()).toContain('the candidate answered 231 requests in 42 s, 42 of them failed');
  });

  it('shows each metric with its evidence as a bar, full once it is enough', () => {
    expect(show()).toMatch(/errors +42\/231 18\.2 % +2\/900 0\.22 % +█{12} +730,000 of 200/);
    expect(show()).toMatch(/latency p50 +110\/231 47\.6 % .* ░{12} +0\.8 of 600/);
    expect(show()).toMatch(/latency p99 .* █{5}░{7} +14 of 600/);
    expect(show()).toMatch(/together +█{12} +365,000 of 100/);
  });

  it('never shows a full bar for evidence that is not enough', () => {
    const [errors] = explainedLeg().metrics;
    if (errors === undefined) throw new Error('no metric');
    expect(show({ metrics: [{ ...errors, worse: 199.9 }], worse: 99 })).toMatch(/█{11}░ +200 of 200/);
  });

  it('gives the ratio with its interval', () => {
    expect(show()).toContain("errors: 82 times stable's share, 25 to 2,140 with 99 % confidence");
    expect(show({ ratio: { estimate: null, low: 3.2, high: null, alpha: 0.001 } })).toContain(
      'errors: at least 3.2 with 99.9 % confidence',
    );
  });

  it('ranks routes with statuses and excess, and says which are only suspected', () => {
    const text = show();
    expect(text).toContain(
      '  ✘ GET /orders/:id\n      500 ×36, lost ×2; 38 of 44 (86.4 %), stable 1 of 160 (0.63 %); 38 too',
    );
    expect(text).toContain('? POST /a-very-long-route');
    expect(text).toContain('suspected: slower than 120 ms');
  });

  it('does not point at what chance explains, beside a route that is found', () => {
    const { kept: whole } = explainedLeg();
    if (whole === null) throw new Error('nothing is kept');
    const routes = whole.attribution.routes.map((one) => (one.certainty === 'found' ? one : { ...one, evidence: 3 }));
    expect(show(kept({ attribution: { ...whole.attribution, routes } }))).not.toContain('POST /a-very');
    const alone = routes.filter(({ certainty }) => certainty === 'suspected');
    expect(show(kept({ attribution: { ...whole.attribution, routes: alone } }))).toContain('? POST /a-very');
  });

  it('does not point at routes of a release that nobody calls worse', () => {
    expect(show({ verdict: 'undecided' })).not.toContain('POST /a-very-long-route');
    expect(show({ verdict: 'undecided' })).toContain('✘ GET /orders/:id');
  });

  it('says when no route stands out, and when nobody counted by route', () => {
    expect(show(kept({ attribution: { routes: [], tested: 12, counted: true } }))).toContain(
      'No route stands out among 12 comparisons.',
    );
    expect(show(kept({ attribution: { routes: [], tested: 0, counted: false } }))).toContain(
      'Requests were not counted by route.',
    );
  });

  it('shows failed requests with their trace, and lines of the log with how often they came', () => {
    expect(show()).toMatch(/:41 500 +12 ms +GET \/orders\/:id\n +trace 4bf92f3577b34da6a3ce929d0e0e4736$/m);
    expect(show()).toMatch(/:42 lost +5\.0 s +GET \/orders\/:id/);
    expect(show()).toContain('×37 Error: order 17 has no total');
    expect(show()).toMatch(/· \d\d:\d\d:41 TypeError: total of undefined/);
  });

  it('shows commits and keys that changed, without what may be secret', () => {
    const text = show();
    expect(text).toContain('What changed, rel_1122aabb → rel_ab12cd34');
    expect(text).toContain('+ aaaaaaaa Show totals');
    expect(text).toContain('~ environment.API_KEY (not shown: it may be secret)');
    expect(text).toContain('+ environment.CURRENCY "EUR"');
    expect(text).toContain('~ instances 2 → 3');
  });

  it('names both commits where the project has not all between them', () => {
    const { changes } = explainedLeg();
    if (changes === null) throw new Error('no changes');
    expect(show({ changes: { ...changes, commits: null } })).toMatch(
      /does not have both commits:\n +- 11111111 Greet people\n +\+ aaaaaaaa Show totals/,
    );
  });

  it('says what could not be found out', () => {
    const old = show({
      metrics: [],
      ratio: null,
      kept: null,
      logs: [],
      changes: null,
      since: null,
      notes: ['no seconds of it are kept (any more)'],
    });
    expect(old).toContain('▲ no seconds of it are kept (any more)');
    expect(old).not.toContain('Routes');
  });

  it.each([40, 60, 80, 120])('fits %i columns, with and without colour and signs', (width) => {
    for (const style of [{ width }, { width, colour: true }, { width, unicode: false }])
      for (const line of lines(explainedLeg(), style)) expect(widthOf(line)).toBeLessThanOrEqual(width);
  });

  it('uses ASCII alone where the terminal has no more', () => {
    // oxlint-disable-next-line no-control-regex -- that is what is looked for
    expect(show({}, { unicode: false })).toMatch(/^[\x00-\x7f]*$/);
  });
});

it.each([
  [0.8, '0.8'],
  [14.2, '14'],
  [730_000, '730,000'],
  [7.34e12, '7.3e12'],
  [1e200, '1.0e200'],
])('evidence of %d is written %s', (value, text) => expect(evidenceText(value)).toBe(text));
