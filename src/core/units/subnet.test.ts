import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatIpv4, parseSubnet } from './subnet.ts';

describe('a subnet', () => {
  test('is read with its size', () => {
    expect(parseSubnet('10.213.4.0/24')).toEqual({
      ok: true,
      value: { text: '10.213.4.0/24', base: 10 * 2 ** 24 + 213 * 2 ** 16 + 4 * 256, size: 256 },
    });
  });

  test('with a host part is refused, and the network it lies in is suggested', () => {
    expect(parseSubnet('10.213.4.7/24')).toMatchObject({ ok: false, suggestion: '10.213.4.0/24' });
  });

  test.each([
    '8.8.8.0/24',
    '10.0.0.0/8',
    '10.0.0.0/30',
    '10.0.0.256/24',
    '10.0.0.0',
    '::1/64',
    '172.32.0.0/16',
    7,
    null,
  ])('%s is none', (input) => {
    expect(parseSubnet(input).ok).toBe(false);
  });

  test('reads back what it writes, and holds as many addresses as its bits say', () => {
    const numbers = [fc.nat(255), fc.nat(255), fc.integer({ min: 16, max: 29 })] as const;
    fc.assert(
      fc.property(...numbers, (b, c, bits) => {
        const size = 2 ** (32 - bits);
        const address = 10 * 2 ** 24 + b * 2 ** 16 + c * 256;
        const base = address - (address % size);
        const text = `${formatIpv4(base)}/${bits}`;
        expect(parseSubnet(text)).toEqual({ ok: true, value: { text, base, size } });
      }),
    );
  });
});
