import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { interfacesWithin } from './route-listing.ts';

const HEAD = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n';
const hex = (bytes: readonly number[]): string => Buffer.from(bytes.toReversed()).toString('hex').toUpperCase();
const route = (name: string, address: readonly number[], mask: readonly number[]): string =>
  `${name}\t${hex(address)}\t00000000\t0001\t0\t0\t0\t${hex(mask)}\t0\t0\t0  \n`;

const LISTING =
  HEAD +
  route('eth0', [0, 0, 0, 0], [0, 0, 0, 0]) +
  route('br-1', [10, 213, 0, 0], [255, 255, 255, 0]) +
  route('br-2', [10, 213, 0, 0], [255, 255, 255, 0]) +
  route('vpn', [10, 192, 0, 0], [255, 240, 0, 0]) +
  route('eth1', [192, 0, 2, 0], [255, 255, 255, 0]);

describe('interfaces within a network', () => {
  it.each([
    ['10.213.0.0/24', ['br-1', 'br-2']],
    ['10.213.0.128/25', ['br-1', 'br-2']],
    ['10.213.0.0/16', ['br-1', 'br-2']],
    ['10.213.1.0/24', []],
    ['10.194.1.0/24', ['vpn']],
    ['172.16.0.0/24', []],
    ['no network', []],
  ])('of %s', (subnet, names) => {
    expect(interfacesWithin(LISTING, subnet)).toEqual(names);
  });

  it('passes over the default route and what is no listing', () => {
    expect(interfacesWithin(HEAD + route('eth0', [0, 0, 0, 0], [0, 0, 0, 0]), '10.213.0.0/24')).toEqual([]);
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(interfacesWithin(text, '10.213.0.0/24')).toEqual([]);
      }),
    );
  });

  it('finds the one network of 256 that an address of its own is in', () => {
    fc.assert(
      fc.property(fc.nat(255), fc.nat(255), (third, other) => {
        const listing = HEAD + route('br', [10, 213, third, 0], [255, 255, 255, 0]);
        expect(interfacesWithin(listing, `10.213.${other}.0/24`)).toEqual(third === other ? ['br'] : []);
      }),
    );
  });
});
