import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { audioPath, parseMediaKeys, playlistPath, segmentPath, signPath, verifySignature } from './signed-url.ts';

const old = 'o'.repeat(32);
const young = 'y'.repeat(40);
const now = 1_800_000_000_000;
const keys = parseMediaKeys(young);

const queryOf = (url: string): { expires: string; sig: string } => {
  const { searchParams } = new URL(url, 'http://x');
  return { expires: searchParams.get('expires') ?? '', sig: searchParams.get('sig') ?? '' };
};
const path = audioPath('tracks/1234');
const query = queryOf(signPath(keys, path, now / 1000 + 60));

describe('a signed URL', () => {
  test('lets in until it expires', () => {
    expect(verifySignature(keys, path, query, now)).toBe('valid');
    expect(verifySignature(keys, path, query, now + 59_999)).toBe('valid');
    expect(verifySignature(keys, path, query, now + 60_000)).toBe('expired');
  });

  test('is worth nothing for another path, time or key', () => {
    for (const other of [
      audioPath('tracks/1235'),
      playlistPath('tracks/1234'),
      segmentPath('tracks/1234', 0),
      `${path}/`,
    ]) {
      expect(verifySignature(keys, other, query, now)).toBe('forged');
    }
    expect(verifySignature(keys, path, { ...query, expires: String(Number(query.expires) + 1) }, now)).toBe('forged');
    expect(verifySignature(parseMediaKeys(old), path, query, now)).toBe('forged');
  });

  test('that has expired and was never signed is forged, not expired', () => {
    expect(verifySignature(keys, path, { ...query, expires: '1' }, now)).toBe('forged');
  });

  test('does not slide characters between path and time', () => {
    const slid = queryOf(signPath(keys, '/a', 12));
    expect(verifySignature(keys, '/a1', { ...slid, expires: '2' }, 0)).toBe('forged');
  });

  test('has one spelling', () => {
    const { sig } = query;
    for (const other of [
      `${sig}=`,
      `${sig}A`,
      sig.slice(0, -1),
      ` ${sig}`,
      sig.toLowerCase(),
      sig.replace(/.$/, (last) => next(last)),
    ]) {
      expect(verifySignature(keys, path, { ...query, sig: other }, now), other).toBe('forged');
    }
    for (const expires of [
      '',
      '0',
      `0${query.expires}`,
      ` ${query.expires}`,
      `${query.expires}.0`,
      '1e10',
      undefined,
      [query.expires],
    ]) {
      expect(verifySignature(keys, path, { ...query, expires }, now), String(expires)).toBe('forged');
    }
    expect(verifySignature(keys, path, {}, now)).toBe('forged');
  });

  test('is never let in by chance', () => {
    fc.assert(
      fc.property(fc.base64String(), fc.nat(), (sig, expires) => {
        return verifySignature(keys, path, { sig: sig.slice(0, 43), expires: String(expires) }, 0) === 'forged';
      }),
    );
  });

  test('outlives the replacement of the key, step by step', () => {
    const steps = [old, `${old},${young}`, `${young},${old}`, young].map(parseMediaKeys);
    for (const [index, step] of steps.entries()) {
      const given = queryOf(signPath(step, path, now / 1000 + 60));
      // While one step is rolled out, instances of the step before run beside it.
      for (const beside of [steps[index - 1], step, steps[index + 1]]) {
        if (beside !== undefined) expect(verifySignature(beside, path, given, now)).toBe('valid');
      }
    }
    expect(verifySignature(parseMediaKeys(young), path, queryOf(signPath(parseMediaKeys(old), path, now)), now)).toBe(
      'forged',
    );
  });

  test('needs keys that are worth the name, and says so without them', () => {
    for (const text of ['', 'short', `${young},short`, `${young},`, `${young},${old},${old}`]) {
      expect(() => parseMediaKeys(text)).toThrow(TypeError);
      expect(() => parseMediaKeys(text)).not.toThrow(young);
    }
  });
});

/** The next of the 64 characters: another spelling of the same 32 bytes, when it differs in the two spare bits alone. */
function next(character: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return alphabet[alphabet.indexOf(character) + 1] ?? 'A';
}
