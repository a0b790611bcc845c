import { describe, expect, it } from 'vitest';
import { fuzzGateway } from '../hostile/fuzz.ts';

describe('requests by grammar, half of them spoilt, through a running gateway', () => {
  it('arrive as a strict reading of the bytes has them, or not at all', { timeout: 120_000 }, async () => {
    const { failures, complaints, passed, inputs, refusals } = await fuzzGateway({ inputs: 12_000, seed: 20_261_123 });
    expect(failures).toEqual([]);
    expect(complaints).toEqual([]);
    // The fuzzer reaches both sides: most good requests arrive, most spoilt ones are refused.
    expect(passed).toBeGreaterThan(inputs / 3);
    expect(refusals[400]).toBeGreaterThan(inputs / 50);
  });
});
