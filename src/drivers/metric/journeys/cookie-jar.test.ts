import { describe, expect, it } from 'vitest';
import { CookieJar } from './cookie-jar.ts';

const now = Date.parse('2026-01-01T00:00:00Z');

describe('the cookies of one user', () => {
  it('are sent back as they were set, until they are taken away', () => {
    const jar = new CookieJar();
    expect(jar.header('/')).toBeNull();
    jar.take(['a=1%20x; Secure; HttpOnly; Domain=example.com', 'b="2"; Path=/'], '/', now);
    expect(jar.header('/cart?x=1')).toBe('a=1%20x; b="2"');
    jar.take(['a=3', 'b=; Max-Age=0; Path=/'], '/', now);
    expect(jar.header('/')).toBe('a=3');
    jar.take(['a=4; Expires=Wed, 31 Dec 2025 00:00:00 GMT'], '/', now);
    expect(jar.header('/')).toBeNull();
  });

  it('are kept to their path, which is by default the folder that they came from; longer paths go first', () => {
    const jar = new CookieJar();
    jar.take(['all=1; Path=/', 'shop=2; Path=/shop', 'mine=3'], '/shop/cart/add?next=/x', now);
    expect(jar.header('/shop/cart')).toBe('mine=3; shop=2; all=1');
    expect(jar.header('/shop')).toBe('shop=2; all=1');
    expect(jar.header('/shopping')).toBe('all=1');
  });

  it('are not kept when they are none, or far too many', () => {
    const jar = new CookieJar();
    jar.take(['', '=x', ';', 'a\0=1', ...Array.from({ length: 500 }, (_, n) => `n${n}=1`)], '/', now);
    expect(jar.header('/')?.split('; ')).toHaveLength(100);
  });
});
