import { describe, expect, it } from 'vitest';
import type { ExplainedFailure } from './explanation.ts';
import { logEvidence, type LoggedLine } from './log-evidence.ts';

const AT = 1_700_000_000_000;
const line = (text: string, time = AT, stream: LoggedLine['stream'] = 'stdout'): LoggedLine => ({
  time,
  instance: 'web-green-1',
  stream,
  text,
});
const failure = (over: Partial<ExplainedFailure> = {}): ExplainedFailure => ({
  route: 'GET /a',
  status: 500,
  latencyMs: 3,
  traceId: null,
  requestId: null,
  instance: null,
  at: AT,
  ...over,
});
const find = (lines: readonly LoggedLine[], failures: readonly ExplainedFailure[] = [failure()]) =>
  logEvidence(lines, { failures, since: AT - 10_000, until: AT + 60_000 }, ['hunter22']);

describe('lines of the log that go with what went wrong', () => {
  it('begin with those that name the trace or request of a failed request', () => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const found = find(
      [
        line('Error: far away', AT + 30_000),
        line('Error: near', AT + 500),
        line(`served ${trace}`, AT + 40_000),
        line('took req-7 in'),
      ],
      [failure({ traceId: trace, requestId: 'req-7' })],
    );
    expect(found.map(({ text }) => text)).toEqual([
      'took req-7 in',
      `served ${trace}`,
      'Error: near',
      'Error: far away',
    ]);
    expect(found[1]?.id).toBe(trace);
  });

  it('are errors, by their words or because they went to standard error', () => {
    const texts = [
      'GET /a 200',
      'TypeError: x of undefined',
      '{"level":50,"msg":"no"}',
      'connection refused',
      'errorless',
      '   at f (a.ts:1:2)',
    ];
    const found = find([
      ...texts.map((text) => line(text)),
      line('whatever', AT, 'stderr'),
      line('    at g (b.ts:1)', AT, 'stderr'),
    ]);
    expect(found.map(({ text }) => text)).toEqual([
      'TypeError: x of undefined',
      '{"level":50,"msg":"no"}',
      'connection refused',
      'whatever',
    ]);
  });

  it('are not those from before it was worse, or from after its end', () => {
    expect(find([line('Error: old', AT - 20_000), line('Error: late', AT + 70_000)])).toEqual([]);
  });

  it('are one when they say the same but for numbers, and tell how often', () => {
    const found = find([
      line('Error: order 17 failed'),
      line('Error: order 1834 failed', AT + 1),
      line('Error: other'),
    ]);
    expect(found).toMatchObject([
      { text: 'Error: order 17 failed', times: 2 },
      { text: 'Error: other', times: 1 },
    ]);
  });

  it('are one, too, when they say the same of several traces: the first that can be followed is shown', () => {
    const [one, two] = ['4bf92f3577b34da6a3ce929d0e0e4736', '5bf92f3577b34da6a3ce929d0e0e4736'];
    const found = find(
      [
        line('Error in 0af92f3577b34da6a3ce929d0e0e4736'),
        line(`Error in ${one}`, AT + 1),
        line(`Error in ${two}`, AT + 2),
      ],
      [failure({ traceId: one }), failure({ traceId: two })],
    );
    expect(found).toMatchObject([{ text: `Error in ${one}`, id: one, times: 3, time: AT + 1 }]);
  });

  it('are at most 20, without secrets and people, and of bounded length', () => {
    const found = find(
      Array.from({ length: 50 }, (_, index) =>
        line(`Error: ${'x'.repeat(index)}y for ana@example.com with hunter22 ${'z '.repeat(500)}`),
      ),
    );
    expect(found).toHaveLength(20);
    expect(JSON.stringify(found)).not.toMatch(/ana@|hunter22/);
    expect(Math.max(...found.map(({ text }) => text.length))).toBeLessThanOrEqual(401);
  });
});
