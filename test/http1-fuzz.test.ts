import { describe, expect, it } from 'vitest';
import { compare } from './fuzz/compare.ts';
import { readConnection } from './fuzz/connection.ts';
import { request } from './fuzz/grammar.ts';
import { fuzz } from './fuzz/http1.ts';
import { NodeServer } from './fuzz/node-server.ts';
import { Random } from './fuzz/random.ts';

// The bounded run of test/fuzz/http1.ts. The seeds are fixed: a failure here is one that anybody sees again.

describe('the parsers of HTTP/1.1', () => {
  it(
    'given 50,000 inputs, whole and in pieces, hold what they promise and read them as llhttp does',
    { timeout: 60_000 },
    () => {
      const report = fuzz({ inputs: 50_000, seed: 1, compareEach: 5 });
      expect(report.failures).toEqual([]);
      expect(report.inputs).toBe(50_000);
      // The inputs are worth something: most messages are read, many are refused, and nearly all reasons to refuse come up.
      expect(report.complete).toBeGreaterThan(20_000);
      expect(report.outcomes.size).toBeGreaterThan(80);
      expect(report.comparisons.get('same')).toBeGreaterThan(9_500);
    },
  );

  it.each([2, 3, 5, 8, 13])('given other inputs (seed %i), too', (seed) => {
    expect(fuzz({ inputs: 2_000, seed, compareEach: 1 }).failures).toEqual([]);
  });

  it('take requests that the server of Node takes as the same, one behind the other', { timeout: 60_000 }, async () => {
    const random = new Random(21);
    const server = new NodeServer();
    const verdicts = new Map<string, number>();
    let compared = 0;
    while (compared < 1_000) {
      const bytes = Buffer.from(request(random) + request(random), 'latin1');
      const reading = readConnection({ kind: 'request' }, bytes, [bytes.length]);
      if (reading.fault !== null || reading.messages.at(-1)?.complete !== true) continue;
      // The server drops what is behind a request that asks for an upgrade; instances see that only where it is passed on.
      if (reading.messages.some(({ of }) => of.head.names.includes('upgrade'))) continue;
      compared += 1;
      const theirs = await server.read(bytes.subarray(0, reading.at));
      const result = compare({ kind: 'request' }, reading, theirs);
      const why = result.verdict === 'same' ? 'same' : `${result.why}: ${JSON.stringify(bytes.toString('latin1'))}`;
      // It knows a list of methods; what it does not know nobody else misreads.
      const verdict = why.includes('HPE_INVALID_METHOD') ? 'unknown method' : why;
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
    }
    expect([...verdicts.keys()].sort()).toEqual(['same', 'unknown method']);
    expect(verdicts.get('same')).toBeGreaterThan(900);
  });
});
