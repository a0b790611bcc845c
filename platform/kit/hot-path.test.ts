import { describe, expect, test } from 'vitest';
import { inSpan, traceHeaders, traceOf } from './trace.ts';

/** Nanoseconds that one call takes, the best of several rounds: what else the machine does only ever adds. */
async function costNs(work: () => unknown): Promise<number> {
  const calls = 20_000;
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 12; round += 1) {
    const began = process.hrtime.bigint();
    for (let call = 0; call < calls; call += 1) await work();
    best = Math.min(best, Number(process.hrtime.bigint() - began) / calls);
  }
  return best;
}

describe('without a collector', () => {
  test('a span around a statement costs a comparison, next to a call that does nothing', async () => {
    const nothing = (): Promise<null> => Promise.resolve(null);
    const bare = await costNs(nothing);
    const spanned = await costNs(() => inSpan('select tracks', 'client', { 'db.system.name': 'postgresql' }, nothing));
    const looked = await costNs(() => traceOf());
    console.info(
      `no collector: a call ${bare.toFixed(0)} ns, in a span ${spanned.toFixed(0)} ns, looking for a trace ${looked.toFixed(0)} ns`,
    );
    expect(traceHeaders()).toEqual({});
    // A span that is recorded takes 5 to 10 µs.
    expect(spanned - bare).toBeLessThan(1000);
  });
});
