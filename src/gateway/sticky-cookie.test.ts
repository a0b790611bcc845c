import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCookie, StickyCookie, stickyCookieName, withoutCookie } from './sticky-cookie.ts';

const cookie = new StickyCookie(Buffer.alloc(32, 7));
const place = fc.record({
  slot: fc.constantFrom('blue' as const, 'green' as const),
  release: fc.string({ unit: 'binary-ascii', maxLength: 60 }),
  number: fc.integer({ min: 0, max: 999_999 }).map((n) => n / 10_000),
});

describe('a sticky cookie', () => {
  it('says what was put into it', () => {
    fc.assert(
      fc.property(place, (given) => {
        expect(cookie.verify('web', cookie.sign('web', given))).toEqual(given);
      }),
    );
  });

  it('is refused when any character was changed', () => {
    const signed = cookie.sign('web', { slot: 'green', release: 'rel_1', number: 12.5 });
    fc.assert(
      fc.property(fc.nat(signed.length - 1), fc.constantFrom('A', '0', '.', 'z'), (at, letter) => {
        fc.pre(signed[at] !== letter);
        const changed = signed.slice(0, at) + letter + signed.slice(at + 1);
        const decodesTheSame = Buffer.from(changed.slice(changed.lastIndexOf('.') + 1), 'base64url').equals(
          Buffer.from(signed.slice(signed.lastIndexOf('.') + 1), 'base64url'),
        );
        fc.pre(!(at > signed.lastIndexOf('.') && decodesTheSame));
        expect(cookie.verify('web', changed)).toBeNull();
      }),
    );
  });

  it('is refused for another service and with another key', () => {
    const signed = cookie.sign('web', { slot: 'green', release: 'rel_1', number: 1 });
    expect(cookie.verify('api', signed)).toBeNull();
    expect(new StickyCookie(Buffer.alloc(32, 8)).verify('web', signed)).toBeNull();
  });

  it('survives anything as a value', () => {
    fc.assert(fc.property(fc.string(), (value) => cookie.verify('web', value) === null));
  });
});

describe('cookie headers', () => {
  it('are read by name and passed on without it', () => {
    const header = `a=1; ${stickyCookieName('web')}=x.y; b="2"`;
    expect(readCookie(header, 'veza_web')).toBe('x.y');
    expect(readCookie(header, 'eza_web')).toBeNull();
    expect(withoutCookie(header, 'veza_web')).toBe('a=1; b="2"');
    expect(withoutCookie('veza_web=1', 'veza_web')).toBeNull();
  });
});
