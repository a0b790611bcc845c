import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClientNetwork } from './network.ts';

function read(address: string) {
  const network = new ClientNetwork();
  network.read(address);
  return { family: network.family, high: network.high, low: network.low, truncated: network.truncated() };
}

describe('the network of a client', () => {
  it.each([
    ['192.0.2.17', '192.0.2.0/24'],
    ['::ffff:192.0.2.17', '192.0.2.0/24'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48'],
    ['2001:db8::6', '2001:db8:0::/48'],
    ['::1', '0:0:0::/48'],
    ['fe80::1%eth0', 'fe80:0:0::/48'],
    ['1::', '1:0:0::/48'],
    ['unix', null],
    ['1.2.3', null],
    ['1.2.3.256', null],
    ['1:2:3', null],
    [':::', null],
    ['1::2::3', null],
    ['12345::', null],
  ])('%s is %s when it is truncated', (address, truncated) => {
    expect(read(address).truncated).toBe(truncated);
  });

  it('of IPv4 is the address, of IPv6 the first half of it', () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(fc.tuple(group, group, group, group), fc.tuple(group, group, group, group), (first, rest) => {
        const address = [...first, ...rest].map((value) => value.toString(16)).join(':');
        const other = [...first, 1, 2, 3, 4].map((value) => value.toString(16)).join(':');
        expect(read(address)).toEqual(read(other));
        expect(read(address)).toMatchObject({
          family: 6,
          high: first[0] * 65_536 + first[1],
          low: first[2] * 65_536 + first[3],
        });
      }),
    );
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
        expect(read(address)).toMatchObject({ family: 4, high: value, low: 0 });
      }),
    );
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        expect([4, 6]).toContain(read(address).family);
      }),
    );
  });
});
