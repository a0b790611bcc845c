import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { socketPath } from './socket-path.ts';

const hash = (text: string): string => text.length.toString(16).padStart(32, '0');
const place = (stateDir: string) => socketPath({ stateDir, name: 'control.sock', runtimeDir: '/run/user/1000', hash });

describe('the path of a socket', () => {
  it('is in the state folder where that is short enough', () => {
    expect(place('/srv/shop/.veza')).toBe('/srv/shop/.veza/control.sock');
  });

  it('is a hashed one in the runtime folder where it is not', () => {
    expect(place(`/${'x'.repeat(120)}`)).toMatch(/^\/run\/user\/1000\/veza-[0-9a-f]{16}\/control\.sock$/);
  });

  it('always fits a socket address, counted in bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (dir) => {
        expect(new TextEncoder().encode(place(`/${dir}`)).length).toBeLessThanOrEqual(103);
      }),
    );
  });
});
